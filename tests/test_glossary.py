"""The glossary: each term of the list is in it once, with a definition and with links that lead somewhere."""

import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "pages" / "glossary.md"
TEXT = PAGE.read_text(encoding="utf-8")
WANTED = (ROOT / "tests" / "glossary_terms.txt").read_text(encoding="utf-8").splitlines()


class Entry(NamedTuple):
    terms: list[str]  # the lines above the definition: a name, and others under which it is looked for
    definition: str
    rest: str  # "Also: ..." and "Shown in ..."


def read(group):
    """The entries of one glossary directive: terms at the margin, indented what is said of them."""
    entries = []
    for part in re.split(r"\n\n(?=\S)", group.strip()):
        terms = re.match(r"(\S.*\n?)+", part).group()
        definition, _, rest = part[len(terms) :].partition("\n\n")
        entries.append(Entry(terms.splitlines(), " ".join(definition.split()), " ".join(rest.split())))
    return entries


GROUPS = re.findall(r"^```\{glossary\}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
ENTRIES = [entry for group in GROUPS for entry in read(group)]
TERMS = [term.replace("\\'", "'") for entry in ENTRIES for term in entry.terms]


def twice(names):
    """The names that are there more than once, in upper case or in lower."""
    folded = [name.casefold() for name in names]
    return sorted({name for name in folded if folded.count(name) > 1})


def test_every_term_of_the_list_is_explained():
    assert len(WANTED) > 180 and twice(WANTED) == []
    assert sorted({*WANTED} - {*TERMS}) == []


def test_there_are_eight_groups_and_every_line_at_the_margin_is_a_term():
    assert len(GROUPS) == 8 == len(re.findall(r"^## ", TEXT, re.MULTILINE))
    assert [line for group in GROUPS for line in group.splitlines() if re.match(r"\S", line)] == [
        term for entry in ENTRIES for term in entry.terms
    ]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.terms[0])
def test_an_entry_is_a_definition_then_other_names_then_pages(entry):
    length = len(re.sub(r"\$[^$]+\$", "formula", entry.definition).split())  # a formula counts as a word
    assert 5 <= length <= 60, f"{length} words"
    assert entry.definition.endswith(".") and not re.search(r"Also:|Shown in|\]\(", entry.definition)
    assert re.fullmatch(r"(Also: [^.]+\.)? ?(Shown in \[[^.]*\]\([^)]+\)( and \[[^.]*\]\([^)]+\))*\.)?", entry.rest)


def test_a_term_is_plain_text():
    """No markup and no " : ", which the directive would read. A bare apostrophe would become a curly one in the target
    of a role, and the role with a straight one would not find it."""
    assert [term for entry in ENTRIES for term in entry.terms if not re.fullmatch(r"(\w|[ /-]|\\')+", term)] == []


def test_no_term_is_defined_twice():
    assert [term for term in TERMS if TERMS.count(term) > 1] == []


def test_the_targets_of_the_role_differ_in_more_than_case():
    assert twice(TERMS) == []


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT)
    assert len(links) > 100
    assert sorted({link for link in links if not (PAGE.parent / link).is_file()}) == []


def test_the_terms_of_a_group_are_in_alphabetical_order():
    for group in GROUPS:
        names = [unicodedata.normalize("NFD", entry.terms[0]).casefold() for entry in read(group)]
        assert names == sorted(names)
