"""A variant as its line of `params.yaml`, for commands that print one to be pasted."""

import io

from ruamel.yaml import YAML

from pipeline.params.sections.variant import Variant


def variant_line(name: str, variant: Variant) -> str:
    """Return the line `NAME: {AXES}` of section `variants`, axes at their default left out."""
    out = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width = True, 4096
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(variant.model_dump(exclude_defaults=True), out)
    return f"{name}: {out.getvalue().strip()}"
