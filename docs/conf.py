"""Sphinx settings; `make docs` builds with warnings as errors."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import sstrack_sched

project = "sstrack-sched"
author = "The sstrack-sched authors"
copyright = f"2026, {author}"
release = sstrack_sched.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "figures",
]
default_role = "py:obj"  # `name` in a docstring is a link where there is something to link to
nitpicky = True  # a reference that leads nowhere is an error
nitpick_ignore_regex = [("py:obj", "[a-z_]+")]  # parameters, which numpydoc writes the same way
exclude_patterns = ["_build"]
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say more: shape, unit, range
autodoc_member_order = "bysource"
autodoc_mock_imports = ["lightning"]  # in an environment of their own
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_validation_checks = {  # what is documented is there, in order, with type and meaning
    "GL03",
    "GL06",
    "GL07",
    "PR02",
    "PR03",
    "PR04",
    "PR07",
    "PR10",
    "RT03",
    "SS03",
}
add_module_names = False

html_theme = "furo"
pygments_style = "friendly"  # lines that a diff adds are green
pygments_dark_style = "github-dark"
html_title = f"sstrack-sched {release}"
html_static_path = ["_static"]
html_css_files = ["page.css"]


def resolve_from_top(app, env, node, contnode):
    """Find `IntervalSampler` in docstrings of the adapters, too: names there are top-level ones."""
    if node.get("reftype") != "obj":
        return None
    name = f"sstrack_sched.{node['reftarget']}"
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, contnode)


def setup(app):
    app.connect("missing-reference", resolve_from_top)
