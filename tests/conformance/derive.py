"""Derive the compact table of the conventions: `python derive.py MODEL_DIR > table.json`.

MODEL_DIR is the `model/` folder of a checkout of the convention registry at the commit `newer.yaml` names. The table:

- `source`: repository, commit and date of the snapshot, what `newer.yaml` stands for, and its checksum
- `attributes`: name -> {type, members of an enum, schema of a content attribute}
- `spans`: a list of {type, provider or null, operations, kind, name_key, attributes: name -> level}
- `metrics`: name -> {instrument, unit, attributes: name -> level}; `events`: name -> {attributes: name -> level}

A level is `required`, `recommended` or `opt_in`, or `conditionally_required: <when>` or `recommended: <when>`.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
NEWER = Path(__file__).with_name("newer.yaml")
# The inference span is the only one whose note does not say which operations it is for.
_INFERENCE = ["chat", "generate_content", "text_completion"]


class Model:
    """The definitions of all files of the model, by section, and the attribute groups by id."""

    def __init__(self, folder: Path, rename: dict[str, str]) -> None:
        self.folder = folder
        self._rename = rename
        self._files = [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*/*.yaml"))]
        self.groups = {group["id"]: group for group in self.section("attribute_groups")}
        self.groups |= {f"span.{span['type']}": span for span in self.section("spans")}

    def section(self, name: str) -> list[Json]:
        return [entry for file in self._files for entry in file.get(name) or ()]

    def named(self, attribute: str) -> str:
        return self._rename.get(attribute, attribute)

    def levels(self, definition: Json) -> dict[str, str]:
        """The attributes of a group, a span, ... with their levels; what is said later wins, silence keeps."""
        found: dict[str, str] = {}
        entries = definition.get("attributes") or []
        for entry in entries:
            if "ref_group" in entry:
                found |= self.levels(self.groups[entry["ref_group"]])
        for entry in entries:
            if "ref" in entry:
                name = self.named(entry["ref"])
                found[name] = _level(entry.get("requirement_level"), found.get(name, "recommended"))
        return found


def derive(folder: Path) -> Json:
    text = NEWER.read_text()
    newer = yaml.safe_load(text)
    model = Model(folder, newer["rename"])
    base = {key: str(value) for key, value in newer["base"].items()}
    checksum = hashlib.sha256(text.encode()).hexdigest()
    table: Json = {
        "source": {**base, "newer": newer["source"], "newer_sha256": checksum},
        "attributes": _attributes(model, newer),
        "spans": _spans(model, newer),
        "metrics": _metrics(model, newer),
        "events": {event["name"]: {"attributes": _event(model, event, newer)} for event in model.section("events")},
    }
    for draft in newer["drafts"].values():
        _add(draft, table)
    return table


def _add(draft: Json, table: Json) -> None:
    """Add what a proposal defines that is not on the registry's main branch."""
    table["attributes"]["gen_ai.operation.name"]["members"] += draft["operations"]
    table["attributes"].update({name: {"type": kind} for name, kind in draft["attributes"].items()})
    table["spans"] += draft["spans"]
    table["events"].update({name: {"attributes": levels} for name, levels in draft["events"].items()})


def _level(given: Any, otherwise: str) -> str:
    if given is None:
        return otherwise
    if isinstance(given, str):
        return given
    [(level, condition)] = given.items()
    return f"{level}: {' '.join(condition.split())}"


def _attributes(model: Model, newer: Json) -> Json:
    found: Json = {}
    for entry in model.section("attributes"):
        kind = entry["type"]
        members = [member["value"] for member in kind["members"]] if isinstance(kind, dict) else None
        described: Json = {"type": "enum", "members": members} if members else {"type": kind}
        schema = entry.get("annotations", {}).get("type", {}).get("json_schema")
        name = model.named(entry["key"])
        if schema:
            raw = json.loads(model.folder.joinpath(*Path(schema).parts[1:]).read_text())
            described["schema"] = _relaxed(_bare(raw), newer["optional"].get(name, {}))
        found[name] = described
    for name, kind in {**newer["core"], **newer["attributes"]}.items():
        found[name] = {"type": "enum", "members": kind} if isinstance(kind, list) else {"type": kind}
    return found


def _bare(schema: Any, inside_names: bool = False) -> Any:
    """The schema without its prose; below `properties` and `$defs` the keys are names, so all of them stay."""
    if isinstance(schema, list):
        return [_bare(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    prose = () if inside_names else ("description", "title", "default", "examples")
    return {
        key: _bare(value, not inside_names and key in ("properties", "$defs"))
        for key, value in schema.items()
        if key not in prose
    }


def _relaxed(schema: Json, optional: dict[str, list[str]]) -> Json:
    for definition, names in optional.items():
        target = schema["$defs"][definition]
        target["required"] = [name for name in target["required"] if name not in names]
    return schema


def _changed(levels: dict[str, str], change: Json) -> dict[str, str]:
    kept = {name: level for name, level in levels.items() if name not in change.get("drop", ())}
    return {**kept, **change.get("add", {})}


def _spans(model: Model, newer: Json) -> list[Json]:
    plain: dict[str, Json] = {}
    for span in model.section("spans"):
        if not span["type"].startswith("gen_ai."):
            continue
        plain[span["type"]] = {
            "type": span["type"],
            "provider": None,
            "operations": _operations(span),
            "kind": span["kind"],
            "name_key": _name_key(span["name"]["note"]),
            "attributes": _changed(model.levels(span), newer["spans"].get(span["type"], {})),
        }
    refined = []
    for span in model.section("span_refinements"):
        if base := plain.get(span["ref"]):
            provider = re.search(r'provider\.name` MUST be set to `"([^"]+)"', span["note"])
            attributes = {**base["attributes"], **_refinement(model, span, base["attributes"])}
            refined.append({**base, "provider": provider and provider[1], "attributes": attributes})
    return [*plain.values(), *refined]


def _refinement(model: Model, definition: Json, base: dict[str, str]) -> dict[str, str]:
    entries = ((model.named(entry["ref"]), entry) for entry in definition["attributes"])
    return {name: _level(entry.get("requirement_level"), base.get(name, "recommended")) for name, entry in entries}


def _operations(span: Json) -> list[str]:
    if span["type"] == "gen_ai.inference.client":
        return _INFERENCE
    said = re.search(r"`gen_ai\.operation\.name` SHOULD be (.*?)\.(?:\s|$)", span["note"], re.DOTALL)
    return re.findall(r"`(\w+)`", said[1]) if said else []


def _name_key(note: str) -> str | None:
    keys = [key for key in re.findall(r"\{([\w.]+)\}", note) if key != "gen_ai.operation.name"]
    return keys[0] if keys else None


def _metrics(model: Model, newer: Json) -> Json:
    found: Json = {}
    for metric in model.section("metrics"):
        if metric["name"].startswith("gen_ai."):
            described = {"instrument": metric["instrument"], "unit": metric["unit"], "attributes": model.levels(metric)}
            found[metric["name"]] = described
    for metric in model.section("metric_refinements"):
        attributes = found[metric["ref"]]["attributes"]
        attributes |= _refinement(model, metric, attributes)
    for name, change in newer["metrics"].items():
        like = found[change["like"]]
        instrument = change.get("instrument", like["instrument"])
        found[name] = {**like, "instrument": instrument, "attributes": _changed(like["attributes"], change)}
    return found


def _event(model: Model, event: Json, newer: Json) -> dict[str, str]:
    """An event that takes over a span's attributes takes over what is newer in them as well."""
    spans = [entry["ref_group"].removeprefix("span.") for entry in event["attributes"] if "ref_group" in entry]
    levels = model.levels(event)
    for span in spans:
        levels = _changed(levels, newer["spans"].get(span, {}))
    return levels


def dumped(table: Json) -> str:
    """As JSON with one line for each attribute, span, metric and event."""
    sections = []
    for name, section in table.items():
        if isinstance(section, list):
            lines, ends = [json.dumps(entry, sort_keys=True) for entry in section], "[]"
        else:
            lines, ends = [f"{json.dumps(k)}: {json.dumps(section[k], sort_keys=True)}" for k in sorted(section)], "{}"
        body = ",\n".join(f"  {line}" for line in lines)
        sections.append(f" {json.dumps(name)}: {ends[0]}\n{body}\n {ends[1]}")
    return "{\n" + ",\n".join(sections) + "\n}"


if __name__ == "__main__":
    print(dumped(derive(Path(sys.argv[1]))))
