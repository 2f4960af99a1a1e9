"""Pages that are one file: nothing is asked for over a network, and nothing runs but what the page itself brought."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any


def self_contained(template: str, *, style: str, script: str, data: Mapping[str, Any]) -> bytes:
    """A page, UTF-8: the template with $policy$, $style$, $script$ and $data$ filled in.

    The policy allows this style and this script, by their digests, and nothing else. data: JSON, in which nothing can
    end the element it stands in, whatever texts of strangers it has: it is ASCII without <, > and &.
    """
    own = f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    policy = f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"
    safe = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        safe = safe.replace(character, f"\\u{ord(character):04x}")
    page = template
    for name, text in (("policy", policy), ("style", style), ("script", script), ("data", safe)):
        page = page.replace(f"${name}$", text)
    return page.encode("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}"
