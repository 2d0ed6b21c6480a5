"""Where a set comes from: source, scorers, model packs and their licences, tables, versions."""

from __future__ import annotations

from dataclasses import dataclass

from curate.errors import ModelError
from curate.models.pack import find_pack
from curate.output import visible
from curate.reports.material import Material
from curate.reports.wording import count, listed

# What a licence's name says when work with the weights is not free for every purpose.
_FREE = ("Apache", "MIT", "BSD", "CC0", "CC-BY-4")
_RESEARCH = ("research", "non-commercial", "noncommercial", "-nc", "academic")


@dataclass(frozen=True, slots=True)
class Pack:
    """A model pack: title, version, licence, and its files by sha256. `terms` are the licence's, in our words."""

    name: str
    title: str
    version: str
    licence: str
    research_only: bool
    terms: str
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Scorer:
    """A scorer whose columns are in the set."""

    name: str
    version: str
    fingerprint: str
    columns: tuple[str, ...]
    packs: str
    options: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the section shows; `facts` and `tables` are names and values."""

    finding: str
    research_only: bool
    facts: tuple[tuple[str, str], ...]
    scorers: tuple[Scorer, ...]
    packs: tuple[Pack, ...]
    tables: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]


def provenance(material: Material) -> Provenance:
    """What the manifest says."""
    manifest = material.scores.manifest
    source = manifest.source
    facts = [("set", material.name), ("pictures from", f"{source.kind} {source.location}")]
    if source.split:
        facts.append(("split", source.split))
    facts += [("begun", _time(manifest.created)), ("finished", _time(manifest.finished) or "not finished")]
    facts += [(key, str(value)) for key, value in manifest.options.items() if value is not None]
    if manifest.choice and isinstance(chosen_from := manifest.choice.get("source"), dict):
        facts.append(("chosen from", f"{chosen_from.get('folder')}, sha256 {chosen_from.get('sha256')}"))
    tables = []
    if manifest.affect:
        own = f", from {manifest.affect.file}" if manifest.affect.file else ""
        tables.append(
            (
                "affect",
                f"{manifest.affect.name} {manifest.affect.version}{own}, sha256 {manifest.affect.sha256}",
            )
        )
        tables.append(("energy made of", manifest.affect.energy))
    if manifest.lexicon:
        own = f", with {manifest.lexicon.file}" if manifest.lexicon.file else ""
        tables.append(
            ("lexicon", f"{count(manifest.lexicon.words, 'word')}{own}, sha256 {manifest.lexicon.sha256}")
        )
    packs = tuple(
        _pack(name, record.title, record.version, record.licence, record.files)
        for name, record in manifest.packs.items()
    )
    scorers = tuple(
        Scorer(
            name, record.version, record.fingerprint, tuple(record.columns), listed(record.packs) or "none",
            ", ".join(f"{k} {v}" for k, v in record.options.items()),
        )
        for name, record in manifest.scorers.items()
    )  # fmt: skip
    names, licences = listed(s.name for s in scorers), listed(sorted({pack.licence for pack in packs}))
    research = [pack.name for pack in packs if pack.research_only]
    if research:
        finding = f"Made with {listed(research)}, whose licence allows research and non-profit use only."
    elif packs and all(pack.licence.startswith(_FREE) for pack in packs):
        finding = f"Scored by {names}. The model packs are free for any use ({licences})."
    elif packs:
        finding = (
            f"Scored by {names} with model packs under {licences}: read these before you pass the set on."
        )
    else:
        finding = f"Scored by {names or 'nobody'}, without a model pack."
    return Provenance(
        finding,
        bool(research),
        _shown(facts),
        scorers,
        packs,
        _shown(tables),
        _shown(list(manifest.versions.items())),
    )


def _pack(name: str, title: str, version: str, licence: str, files: dict[str, str]) -> Pack:
    try:
        card = find_pack(name).licence
        terms = card.summary.replace("`", "") if card.name == licence else ""
    except ModelError:  # the pack is not on this machine any more
        terms = ""
    research = any(word in licence.lower() for word in _RESEARCH)
    return Pack(name, title, version, licence, research, terms, tuple(sorted(files.items())))


def _shown(pairs: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, visible(value)) for name, value in pairs)


def _time(told: str | None) -> str:
    return (told or "").replace("T", " ").replace("+00:00", " UTC")
