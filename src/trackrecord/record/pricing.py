"""What one model attempt cost, from a dated price table that comes with the package genai-prices.

Must never download anything, guess a price, or write 0 for a price it does not know. In the walk: part of step 5, when
a model attempt becomes a span; the table's version is stored with the run, so that re-pricing adds and never edits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

NO_TABLE: Final = "none"
_NAMES: Final = {  # ours and pydantic-ai's names of providers that the table calls otherwise
    "openai-chat": "openai",
    "openai-responses": "openai",
    "azure-responses": "azure",
    "bedrock": "aws",
    "bedrock-mantle": "aws",
    "google-cloud": "google",
    "openai-chatgpt": "openai",
    "openai-codex": "openai",
    "xai": "x-ai",
}
NANOS_PER_DOLLAR: Final = Decimal(10**9)
# Exact: 16 digits of tokens times any listed price, whatever precision the caller's own context has.
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)


class TokenCounts(Protocol):
    """Token figures of one model attempt; None where the provider did not say."""

    @property
    def input_tokens(self) -> int | None:
        """Everything sent, cache reads and writes included."""
        ...

    @property
    def output_tokens(self) -> int | None:
        """Everything produced, reasoning included."""
        ...

    @property
    def cache_read_tokens(self) -> int | None:
        """The part of input read from a cache."""
        ...

    @property
    def cache_write_tokens(self) -> int | None:
        """The part of input written to a cache."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What one attempt cost, or why nobody can say.

    Attributes:
        cost_nanos: nano-dollars, rounded half to even; None when it could not be priced.
        cost_usd: exact dollars; None when it could not be priced.
        reason: why it could not be priced, in words; None when it was.
    """

    cost_nanos: int | None = None
    cost_usd: Decimal | None = None
    reason: str | None = None


SCRIPTED: Final = Priced(reason="scripted models have no price")
NOT_INSTALLED: Final = Priced(reason="there is no price table; install trackrecord[prices]")


@cache
def price_table() -> str:
    """The table in force, `genai-prices/<version>`, to be stored with a run; `none` when it is not installed."""
    from importlib import metadata  # 30 ms of email and zipfile, which a start without a run need not pay

    try:
        return f"genai-prices/{metadata.version('genai-prices')}"
    except metadata.PackageNotFoundError:
        return NO_TABLE


def price(provider: str, model: str, usage: TokenCounts, at: datetime) -> Priced:
    """What the attempt cost at the prices of that moment; never an exception for content, never a guessed figure.

    Cache figures that are None count as no cache use, which is the dearer reading of the same input.

    Raises:
        ValueError: `at` has no time zone.
    """
    if provider == "scripted":
        return SCRIPTED
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone; give an aware datetime")
    if usage.input_tokens is None or usage.output_tokens is None:
        missing = "input" if usage.input_tokens is None else "output"
        return Priced(reason=f"the provider did not report {missing} tokens")
    found = _find(provider, model)
    if isinstance(found, Priced):
        return found
    return _calculate(*found, usage, at)


@lru_cache(maxsize=1024)
def _find(provider: str, model: str) -> Priced | tuple[Provider, ModelInfo]:
    table = _table()
    if table is None:
        return NOT_INSTALLED
    try:
        return table.find_provider_model(model, None, _NAMES.get(provider, provider), None)
    except LookupError:
        return Priced(reason=f"{price_table()} has no price for model {model!r} of provider {provider!r}")


@cache
def _table() -> DataSnapshot | None:
    try:
        # genai_prices takes 0.4 s to import, which only runs with a real provider pay
        from genai_prices.data import providers
        from genai_prices.data_snapshot import DataSnapshot
    except ImportError:
        return None
    # A table of our own: the shared one may be replaced by a download, and then its version would be a lie.
    return DataSnapshot(providers=providers, from_auto_update=False)


def _calculate(provider: Provider, model: ModelInfo, usage: TokenCounts, at: datetime) -> Priced:
    from genai_prices import Usage  # imported by _table already

    prices = model.get_prices(at)
    if usage.input_tokens and prices.input_mtok is None:  # the library would charge nothing for it
        return Priced(reason=f"{price_table()} has no price for input tokens of {model.id!r}")
    if usage.output_tokens and prices.output_mtok is None:
        return Priced(reason=f"{price_table()} has no price for output tokens of {model.id!r}")
    counts = Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    with localcontext(_EXACT):
        try:
            cost_usd = model.calc_price(counts, provider, genai_request_timestamp=at).total_price
        except (
            ValueError,
            ArithmeticError,
        ) as error:  # counts that contradict each other, like more cache reads than input
            return Priced(reason=f"the token counts cannot be priced: {error}")
        return Priced(cost_nanos=int((cost_usd * NANOS_PER_DOLLAR).to_integral_value()), cost_usd=cost_usd)
