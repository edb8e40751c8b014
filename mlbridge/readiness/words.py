"""What the names of columns say, in the words that teams use for moments, outcomes and keys, in several languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# The beginnings of words of a name, without accents; one that ends in a point is a whole word.
BEGINNINGS = (
    "order", "ord.", "creat", "crt.", "schedul", "start", "begin", "began", "plac", "book", "open", "sign", "request",
    "submit", "predict", "launch", "issu", "report", "rais", "list", "sent", "send", "appl", "purchas", "pickup",
    "admi", "post", "regist", "reserv", "enter", "produc", "bestell", "erstell", "angelegt", "eroffn", "eroeffn",
    "beginn", "gebucht", "eingang", "auftrag", "command", "cree", "debut", "ouver", "declar", "pedid", "inici",
    "abiert", "alta.", "criad", "abert", "ordin", "apert", "besteld", "aangemaakt", "geopend",
)  # fmt: skip
ENDS = (
    "arriv", "clos", "deliver", "dlv", "dlvr", "complet", "finish", "resol", "return", "cancel", "end.", "ended",
    "known", "label", "outcome", "paid", "settl", "decid", "decision", "ship", "shp.", "dropoff", "discharg", "sold",
    "convert", "repaid", "handed", "left.", "inspect", "geliefert", "liefer", "ausgeliefert", "abgeschlossen",
    "erledigt", "storn", "gekundigt", "gekuendigt", "bezahlt", "beendet", "ende.", "zuruck", "zurueck", "livr",
    "clot", "fin.", "annul", "paye", "pague", "entreg", "cerrad", "pagad", "fechad", "pago.", "consegn", "chius",
    "pagat", "geleverd", "afgesloten", "betaald", "geannuleerd",
)  # fmt: skip
PLANS = (
    "schedul", "plan", "due", "expect", "promis", "estimat", "expir", "until", "deadline", "renew", "eta.", "matur",
    "geplant", "zugesagt", "fallig", "faellig", "wunsch", "soll.", "bis.", "prevu", "previst", "echeance", "vencim",
    "estimad", "scaden", "gepland", "beloofd", "verwacht",
)  # fmt: skip
CHANGES = (
    "updat", "upd.", "modif", "chang", "edit", "geandert", "geaendert", "aktualis", "maj.", "mis.", "actualiz",
    "atualiz", "aggiorn", "gewijzigd", "bijgewerkt",
)  # fmt: skip
# Moments of the pipeline, of a person, or of the same row in another clock.
OF_SOMETHING_ELSE = (
    "local", "load", "ingest", "sync", "extract", "etl.", "dbt", "valid", "birth", "dob.", "born", "geburt", "geboren",
    "naiss", "nacim", "nascim", "nascit", "geboorte",
)  # fmt: skip
OUTCOMES = (
    "target", "label", "outcome", "churn", "convert", "late.", "delay", "default", "next.", "fraud", "cancel", "return",
    "noshow", "show.", "fail", "defect", "damag", "readmi", "upgrad", "resolv", "accept", "approv", "reject", "arrest",
    "attrit", "leaves.", "lapsed", "lost.", "won.", "overdue", "escalat", "complain", "breach", "satisf", "rating",
    "result", "verspat", "verspaet", "storn", "gekundigt", "gekuendigt", "ausfall", "ausgefallen", "betrug", "retard",
    "retras", "annul", "resili", "impay", "impag", "atras", "ritard", "laat.", "vertraag", "opgezegd", "geannuleerd",
)  # fmt: skip
# What a name that also has the word of an outcome says of it: that it is one of earlier rows, or no outcome at all.
OF_EARLIER_ROWS = (
    "previous", "prev.", "prior", "past.", "last.", "before", "earlier", "history", "hist.", "avg.", "mean.", "ago.",
    "policy", "currency", "method", "rate.", "limit", "type.", "category",
)  # fmt: skip
KEYS = (
    "id.", "key.", "sk.", "pk.", "uuid.", "guid.", "number.", "code.", "no.", "nr.", "nbr.", "num.", "ref.", "nummer",
    "numero",
)  # fmt: skip


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case, without accents; it may be written in snake or in camel case."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    return re.findall(r"[a-z0-9]+", split.lower())


def says(name: str, beginnings: Sequence[str]) -> bool:
    """Return whether a word of a name begins as one of these does, or is it where that ends in a point."""
    return any(f"{word}.".startswith(each) for word in words_of(name) for each in beginnings)


def names_a_key(name: str) -> bool:
    """Return whether the last word of a name is that of a key, also as the end of a longer one (`bestellnummer`)."""
    *_, last = words_of(name) or [""]
    return f"{last}." in KEYS or last.endswith(KEYS)
