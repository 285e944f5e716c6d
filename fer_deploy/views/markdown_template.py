"""Markdown documents from the templates beside this file."""

from __future__ import annotations

from fer_deploy.views.markdown_text import escape


def fill(template: str, **values: object) -> str:
    """Return ``templates/<template>`` with ``values`` in it.

    A line that holds a block only leaves none behind; the filter ``md`` disarms free text. A name that the template
    asks for and ``values`` lacks is a bug and raises jinja2's ``UndefinedError``.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fer_deploy.views"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["md"] = escape
    return environment.get_template(template).render(**values)
