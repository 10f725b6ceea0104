"""The API reference: a mark such as ``<!-- api: repgen.vae repgen.training.* -->`` in a page becomes what these modules
define, with signatures and docstrings, by autodoc; ``<!-- api names -->`` becomes the table of what ``import repgen``
gives.

Docstrings are plain text: a first sentence, paragraphs, code in backticks, indented or aligned lines kept as they are,
and NumPy's sections (Parameters, Returns, Raises, Examples, References). Stars, bars and underscores mean themselves.
"""

import fnmatch
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from itertools import groupby
from pathlib import Path

from sphinx.util import inspect as sphinx_inspect
from traitlets import MetaHasTraits

MARK = re.compile(r"<!-- api: ([\w.* ]+) -->")
NAMES = "<!-- api names -->"
SECTION = re.compile(r"^[A-Z][A-Za-z ]+\n-{3,}$", re.MULTILINE)
CODE = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)
ITEM = re.compile(r"^(\*{0,2}[a-z]\w*(?:, \*{0,2}\w+)*): +(?=\S)")


def modules(package):
    """The names of all public modules under ``package``, itself first."""
    found = [package.__name__]
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not any(part.startswith("_") for part in module.name.split(".")):
            found.append(module.name)
    return found


def chosen(patterns, names):
    """Those of ``names`` that a mark asks for, in its order. Raises ValueError for a pattern that finds none."""
    found = []
    for pattern in patterns.split():
        fits = [name for name in names if fnmatch.fnmatchcase(name, pattern) and name not in found]
        if not fits:
            raise ValueError(f"pages/api.md asks for {pattern}, but there is no such module: correct its mark")
        found += fits
    return found


def public(module):
    """What ``module`` defines for others: {name: class or function}, in the order of the source."""
    there = {
        name: thing
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isfunction(thing))
        and thing.__module__ == module.__name__
        and thing.__doc__
    }
    return dict(sorted(there.items(), key=lambda pair: inspect.getsourcelines(pair[1])[1]))


def summary(thing):
    """The first sentence of a docstring."""
    first = inspect.getdoc(thing).split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=\.)(?<!et al\.)\s", first)[0].rstrip(".")


def markdown(name):
    """A module's part of the page."""
    module = importlib.import_module(name)
    if not public(module):
        return ""
    about = " ".join((module.__doc__ or "").strip().split("\n\n")[0].split())
    text = [f"**`{name}`** – {shown(about).rstrip('.')}.\n", "```{eval-rst}"]
    for thing in public(module).values():
        kind = "class" if inspect.isclass(thing) else "function"
        text.append(f".. auto{kind}:: {name}.{thing.__name__}")
        if kind == "class":
            text.append("   :members:")
        text.append("")
    return "\n".join([*text, "```\n"])


def table(package):
    """What ``import repgen`` gives, a sentence each."""
    rows = [
        f"| [`{package.__name__}.{name}`]({anchor(getattr(package, name))}) | "
        f"{shown(summary(getattr(package, name)))} |"
        for name in package.__all__
    ]
    return "\n".join(["{.api-names}", "| Name | What it is |", "|---|---|", *rows, ""])


def anchor(thing):
    return f"#{thing.__module__}.{thing.__qualname__}"


def shown(text):
    """``text`` as Markdown that shows it as it is, code apart."""
    parts = CODE.split(text)
    parts[::2] = [re.sub(r"([\\*_{}\[\]<>$|~^#])", r"\\\1", part) for part in parts[::2]]
    return "".join(part.replace("``", "`") if i % 2 else part for i, part in enumerate(parts)).replace("|", "\\|")


def fill(app, docname, source):
    if not (MARK.search(source[0]) or NAMES in source[0]):
        return
    package = importlib.import_module("repgen")
    names = modules(package)
    source[0] = source[0].replace(NAMES, table(package))
    source[0] = MARK.sub(lambda mark: "\n".join(markdown(name) for name in chosen(mark[1], names)), source[0])
    files = [__file__, *Path(package.__file__).parent.rglob("*.py")]
    app.env.dependencies[docname].update(str(path) for path in files)


def inline(text):
    """Prose as reStructuredText: code in double backticks, and no other sign has a meaning."""
    parts = CODE.split(text)
    parts[::2] = [re.sub(r"([\\*|`])|_(?=\W|$)", lambda m: "\\" + m[0], part) for part in parts[::2]]
    # A letter may not follow code at once: "\\ " parts them and shows nothing.
    parts[1::2] = [
        f"``{part.strip('`').strip()}``" + "\\ " * bool(after and not after[0].isspace())
        for part, after in zip(parts[1::2], parts[2::2])
    ]
    return "".join(parts)


def block(text):
    """A block of lines between blank ones: a doctest, lines kept as they are, a list of names, or a paragraph."""
    lines = text.split("\n")
    indented = [line.startswith(" ") for line in lines]
    if lines[0].lstrip().startswith(">>> "):
        return textwrap.dedent(text)
    if all(indented):
        return "::\n\n" + textwrap.indent(textwrap.dedent(text), "    ")
    listed = [bool(ITEM.match(line)) for line in lines if not line.startswith(" ")]
    if any(listed) and (any(indented) or all(listed)):  # "name: what it is", and its further lines indented
        parts = re.split(r"\n(?=\S)", text)  # each a line and what is indented under it
        runs = [
            (is_item, [part for _, part in run]) for is_item, run in groupby(zip(listed, parts), lambda pair: pair[0])
        ]
        return "\n\n".join("\n".join(map(item, run)) if is_item else block("\n".join(run)) for is_item, run in runs)
    if any(re.search(r"\S {3,}\S", line) for line in lines) or any(indented):
        return "::\n\n" + textwrap.indent(text, "    ")
    return inline(text)


def item(text):
    """ "name: what it is" as an entry of a list of definitions."""
    return f"``{ITEM.match(text)[1]}``\n" + textwrap.indent(inline(" ".join(ITEM.sub("", text).split())), "    ")


def prose(text):
    text = re.sub(r"::$", ":", text, flags=re.MULTILINE)  # what follows is indented, and so kept as it is, anyway
    return "\n\n".join(block(part) for part in re.split(r"\n\s*\n", text.strip("\n")) if part.strip())


def restructured(doc):
    """A docstring as reStructuredText with NumPy's sections, for napoleon."""
    starts = [found.start() for found in SECTION.finditer(doc)] + [len(doc)]
    text = [prose(doc[: starts[0]])]
    for start, end in zip(starts, starts[1:]):
        title, rule, body = (doc[start:end].rstrip() + "\n").split("\n", 2)
        if title in ("Parameters", "Returns", "Raises"):  # a name or a type, and indented under it what is said of it
            body = "\n".join(inline(line) if line.startswith(" ") else line for line in body.split("\n"))
        else:
            body = prose(body)
        text.append(f"{title}\n{rule}\n{body}")
    return "\n\n".join(text) + "\n"


def process(app, what, name, obj, options, lines):
    if "Alias for field number" in "".join(lines):
        lines[:] = []
        return
    lines[:] = restructured("\n".join(lines)).split("\n")


def sign(app, what, name, obj, options, signature, returned):
    """The signature of a widget: its own, where traitlets would show (*args, **kwargs)."""
    if what == "class" and isinstance(obj, MetaHasTraits):
        if obj.__init__.__module__.split(".")[0] != "repgen":
            return "", None
        app.emit("autodoc-before-process-signature", obj.__init__, True)  # defaults as they are written
        own = sphinx_inspect.signature(obj.__init__, bound_method=True)
        return sphinx_inspect.stringify_signature(own, unqualified_typehints=True), returned
    return None


def skip(app, what, name, obj, skipped, options):
    """Leaves out what a NamedTuple or a Module has from elsewhere."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def configure(app, config):
    config.add_module_names = False
    config.autoclass_content = "both"
    config.autodoc_default_options = {"member-order": "bysource"}
    config.autodoc_inherit_docstrings = False
    config.autodoc_preserve_defaults = True  # as they are written: no path of the machine that builds
    config.autodoc_typehints_format = "short"
    config.napoleon_google_docstring = False
    config.napoleon_use_rtype = False
    config.toc_object_entries = False
    # Types of Python, torch and NumPy are named in the signatures; their own references are elsewhere.
    config.nitpick_ignore_regex = [*config.nitpick_ignore_regex, ("py:.*", ".*")]


def setup(app):
    sys.path.insert(0, str(app.srcdir))  # the package beside the book, and no other
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("config-inited", configure)
    app.connect("source-read", fill)
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", sign)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
