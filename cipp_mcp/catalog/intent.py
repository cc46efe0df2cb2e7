"""Which kind of deed a question asks for, and which one an action does: look, make, change, take away.

An action of another kind is not left out, it only ranks lower: a technician's words are rarely so exact. Pure.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache

from cipp_mcp.catalog.api import Document
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.wording import pieces, plain, stem

LOOK, MAKE, CHANGE, TAKE = "look", "make", "change", "take"

_ASKED = {
    LOOK: """
    who whose which what where why many list show see find look view read check display count report overview status
    search whether
    wer welche zeige anzeigen liste qui quels quelles lister afficher montrer quien quienes cuales mostrar listar ver
    """,
    MAKE: """
    add create build invite import register order buy connect deploy roll rollout install save capture copy duplicate
    clone give grant assign raise write onboard
    anlegen erstellen hinzufugen einladen creer ajouter inviter crear agregar anadir invitar
    """,
    CHANGE: """
    change set edit rename update enable disable turn switch block unblock allow reset restore move convert forward
    assign give grant share apply run start push sync refresh pause release stop limit hide rotate raise increase
    exempt renew revoke approve accept mark unassign force send schedule snooze mute restart reboot wipe repair fix
    extend
    andern zurucksetzen sperren entsperren aktivieren deaktivieren umwandeln weiterleiten freigeben wiederherstellen zuweisen
    modifier changer reinitialiser bloquer debloquer activer desactiver convertir transferer partager restaurer attribuer
    cambiar modificar restablecer bloquear desbloquear activar desactivar reenviar compartir restaurar asignar dar
    """,
    TAKE: """
    delete remove drop erase kill rid take away throw purge clear unshare revoke stop terminate cancel kick sold
    unassign offboard leave leaves uninstall deregister undo
    loschen entfernen entziehen supprimer retirer effacer eliminar borrar quitar
    """,
}
_QUESTION = frozenset(("is", "are", "was", "does", "did", "has", "how", "when"))
_DOES = {
    "list": LOOK,
    "get": LOOK,
    "search": LOOK,
    "query": LOOK,
    "add": MAKE,
    "create": MAKE,
    "new": MAKE,
    "deploy": MAKE,
    "remove": TAKE,
    "delete": TAKE,
    "clear": TAKE,
    "unassign": TAKE,
    "offboard": TAKE,
}
_ALSO = re.compile(r"remove|delete|clear|offboard|cleanup|dismiss", re.IGNORECASE)


@cache
def _kinds() -> Mapping[str, frozenset[str]]:
    """Stem of a verb -> the kinds of deed that it can ask for."""
    found: dict[str, set[str]] = defaultdict(set)
    for kind, words in _ASKED.items():
        for word in words.split():
            found[stem(word)].add(kind)
    return {word: frozenset(kinds) for word, kinds in found.items()}


def asked_for(query: str) -> frozenset[str]:
    """The kinds of deed that the first telling verb allows; empty when no verb tells."""
    words = re.findall(r"[a-z]+", plain(query[:400]))
    telling = (_kinds().get(stem(w)) for w in words)
    if (first := next((k for k in telling if k), None)) is not None:
        return first
    asks = bool(words) and words[0] in _QUESTION and words[1:2] not in (["do"], ["can"], ["to"])
    return frozenset({LOOK}) if asks else frozenset()


def does(d: Document) -> frozenset[str]:
    """What an action does, by its name and its effect."""
    if d.effect is Effect.READ:
        return frozenset({LOOK})
    first = (pieces(d.action).split() or [""])[0].lower()
    kinds = {_DOES.get(first, CHANGE)}
    if first in {"add", "edit", "exec", "manage", "set"}:
        kinds |= {MAKE, CHANGE} if first != "edit" else {CHANGE}
    if _ALSO.search(d.action) or "delete" in d.summary.lower() or "remove" in d.summary.lower():
        kinds.add(TAKE)
    if d.endpoint.startswith(("List", "Get")) or d.effect is Effect.PROBE or d.effect is Effect.REVEAL:
        kinds.add(LOOK)
    return frozenset(kinds)
