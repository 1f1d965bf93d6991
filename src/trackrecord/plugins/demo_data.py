"""The small business behind the plugin `demo`: customers, tickets, companies, cities and a service's log. Data only."""

from __future__ import annotations

from typing import Final

Record = dict[str, bool | int | float | str | None]

CUSTOMERS: Final[dict[str, Record]] = {
    "ada@brightmill.example": {
        "id": "C-1001", "name": "Ada Moreau", "company": "Brightmill", "plan": "enterprise", "since": "2021-04-12",
        "open_invoices": 0, "city": "Lyon",
    },
    "tomas@northquay.example": {
        "id": "C-1002", "name": "Tomas Lindqvist", "company": "Northquay", "plan": "team", "since": "2023-01-30",
        "open_invoices": 2, "city": "Gothenburg",
    },
    "mei@papercrane.example": {
        "id": "C-1003", "name": "Mei Tanaka", "company": "Paper Crane", "plan": "free", "since": "2025-11-03",
        "open_invoices": 0, "city": "Osaka",
    },
    "joao@oliveira.example": {
        "id": "C-1004", "name": "João Oliveira", "company": None, "plan": "team", "since": "2022-08-19",
        "open_invoices": 1, "city": "Porto",
    },
}  # fmt: skip

TICKETS: Final[tuple[Record, ...]] = (
    {
        "id": "T-2001", "email": "ada@brightmill.example", "status": "open", "opened_at": "2026-03-02T08:14:00Z",
        "subject": "Production is down since 08:05",
        "body": "All our users get an error page after signing in. This is urgent, we cannot work.",
    },
    {
        "id": "T-2002", "email": "tomas@northquay.example", "status": "open", "opened_at": "2026-03-02T08:31:00Z",
        "subject": "Charged twice in February",
        "body": "The invoice of February was paid on the 3rd and again on the 5th. Please refund one of them.",
    },
    {
        "id": "T-2003", "email": "mei@papercrane.example", "status": "open", "opened_at": "2026-03-02T09:02:00Z",
        "subject": "How do I export my data?",
        "body": "I would like to download everything as CSV. Is there a button for that?",
    },
    {
        "id": "T-2004", "email": "joao@oliveira.example", "status": "open", "opened_at": "2026-03-02T09:20:00Z",
        "subject": "Search is slow",
        "body": "Since last week the search takes ten seconds. It works, but it is annoying.",
    },
    {
        "id": "T-2005", "email": "nobody@unknown.example", "status": "open", "opened_at": "2026-03-02T09:41:00Z",
        "subject": "Partnership",
        "body": "We offer the best backlinks of the whole market. Interested?",
    },
    {
        "id": "T-1990", "email": "mei@papercrane.example", "status": "closed", "opened_at": "2026-02-20T15:00:00Z",
        "subject": "Password reset mail does not arrive",
        "body": "Found it in the spam folder, thank you.",
    },
)  # fmt: skip

PRIORITY_WORDS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("urgent", ("down", "outage", "urgent", "data loss", "security", "cannot work")),
    ("high", ("refund", "charged", "invoice", "error", "broken", "cannot")),
    ("normal", ("slow", "how do i", "export", "question", "reset")),
)

COMPANIES: Final[dict[str, Record]] = {
    "brightmill.example": {"name": "Brightmill", "employees": 420, "industry": "manufacturing", "country": "FR"},
    "northquay.example": {"name": "Northquay", "employees": 38, "industry": "logistics", "country": "SE"},
    "papercrane.example": {"name": "Paper Crane", "employees": 6, "industry": "design", "country": "JP"},
    "saltmarsh.example": {"name": "Saltmarsh", "employees": 1250, "industry": "energy", "country": "NL"},
}

LEADS: Final[tuple[Record, ...]] = (
    {"name": "Brightmill", "domain": "brightmill.example", "city": "Lyon"},
    {"name": "Northquay", "domain": "northquay.example", "city": "Gothenburg"},
    {"name": "Tiny Bakery", "domain": "tinybakery.example", "city": "Porto"},
    {"name": "Saltmarsh", "domain": "saltmarsh.example", "city": "Rotterdam"},
    {"name": "Kite & Sons", "domain": "kiteandsons.example", "city": "Atlantis"},
)

CITIES: Final[dict[str, tuple[float, float, str]]] = {
    "gothenburg": (57.7089, 11.9746, "Europe/Stockholm"),
    "lyon": (45.7640, 4.8357, "Europe/Paris"),
    "osaka": (34.6937, 135.5023, "Asia/Tokyo"),
    "porto": (41.1579, -8.6291, "Europe/Lisbon"),
    "rotterdam": (51.9244, 4.4777, "Europe/Amsterdam"),
}

LOG: Final[tuple[Record, ...]] = (
    {"at": "2026-03-02T08:00:00Z", "service": "web", "level": "info", "message": "started, version 4.2.0"},
    {"at": "2026-03-02T08:04:51Z", "service": "web", "level": "warning", "message": "database pool at 90 %"},
    {"at": "2026-03-02T08:05:02Z", "service": "web", "level": "error", "message": "login failed: no connection left"},
    {"at": "2026-03-02T08:05:03Z", "service": "web", "level": "error", "message": "login failed: no connection left"},
    {"at": "2026-03-02T08:05:09Z", "service": "mail", "level": "info", "message": "412 messages sent"},
    {"at": "2026-03-02T08:06:40Z", "service": "web", "level": "error", "message": "health check failed"},
    {"at": "2026-03-02T08:15:00Z", "service": "mail", "level": "warning", "message": "queue older than 5 minutes"},
    {"at": "2026-03-02T08:22:13Z", "service": "web", "level": "info", "message": "pool enlarged to 40"},
)
