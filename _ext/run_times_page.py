"""The page of run times: what `make notebooks` measured and recorded in each notebook."""

import stored

HEAD = "| Notebook | Runs in | Cores | Measured on | torch | Reading |\n|---|--:|--:|---|---|--:|\n"


def clock(seconds):
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def markdown(root):
    """Text of the page, and the files that it was made from."""
    rows, files, seconds, reading, versions = [], [], 0.0, 0, {}
    for page, path in stored.notebooks(root):
        files.append(str(path))
        notebook = stored.read(path)
        record = notebook.metadata.get("repgen")
        if record is None:
            continue
        seconds += record["seconds"]
        reading += stored.minutes(notebook)
        for name, version in record["versions"].items():
            versions.setdefault(name, set()).add(version)
        rows.append(
            f"| [{stored.title(notebook)}](/{page}) | {clock(record['seconds'])} | {record['cores']}"
            f" | {record['date']} | {record['versions'].get('torch', '')} | {stored.minutes(notebook)} min |\n"
        )
    if not rows:
        return "No notebook has been run yet.\n", files
    total = f"| **Together** | **{clock(seconds)}** | | | | **{clock(60 * reading)}** |\n"
    used = "".join(f"| {name} | {', '.join(sorted(found))} |\n" for name, found in sorted(versions.items()))
    table = f"{{.run-times}}\n{HEAD}{''.join(rows)}{total}"
    return f"{table}\n## Versions\n\n| What | Version |\n|---|---|\n{used}", files
