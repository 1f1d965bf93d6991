"""Pricing: exact dollars from an offline table, or None with the reason; scripted models never load the table."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from importlib.metadata import version

import pytest

from trackrecord.record import pricing
from trackrecord.record.pricing import Priced, price, price_table
from trackrecord.record.usage import Usage

AT = datetime(2025, 6, 1, tzinfo=UTC)


def usage(sent: int | None = 1000, produced: int | None = 100, **more: int | None) -> Usage:
    return Usage(input_tokens=sent, output_tokens=produced, **more)  # type: ignore[arg-type]  # only token figures


def test_scripted_has_no_price() -> None:
    """A scripted model costs nothing anybody could name: None, with the reason."""
    assert Priced(reason="scripted models have no price") == price("scripted", "x", usage(), AT)


def test_scripted_loads_nothing() -> None:
    """Pricing a scripted call imports neither the price table nor the reader of package versions."""
    script = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from trackrecord.record.pricing import price\n"
        "from trackrecord.record.usage import Usage\n"
        "price('scripted', 'x', Usage(input_tokens=1, output_tokens=1), datetime(2025, 6, 1, tzinfo=UTC))\n"
        "print('genai_prices' in sys.modules, 'email' in sys.modules)\n"
    )
    paths = f"import sys; sys.path[:0] = {sys.path!r}\n"
    command = [sys.executable, "-S", "-c", paths + script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "False False" == done.stdout.strip()


def test_table_names_its_version() -> None:
    """The table stored with a run is the installed package and its version."""
    pytest.importorskip("genai_prices")
    assert f"genai-prices/{version('genai-prices')}" == price_table()


class TestListedPrices:
    """Figures by the published list: gpt-4o 2.50 in, 1.25 cached, 10.00 out per million tokens."""

    @pytest.fixture(autouse=True)
    def _table(self) -> None:
        pytest.importorskip("genai_prices")

    def test_plain_call(self) -> None:
        """1,000 in x 2.50e-6 + 100 out x 10.00e-6 = 0.0025 + 0.0010 = 0.0035 dollars = 3,500,000 nano-dollars."""
        assert Priced(cost_nanos=3_500_000, cost_usd=Decimal("0.0035")) == price("openai", "gpt-4o", usage(), AT)

    def test_cached_input_is_cheaper(self) -> None:
        """600 fresh x 2.50e-6 + 400 cached x 1.25e-6 + 100 x 10.00e-6 = 0.0015 + 0.0005 + 0.0010 = 0.0030."""
        assert Decimal("0.003") == price("openai", "gpt-4o", usage(cache_read_tokens=400), AT).cost_usd

    def test_dated_name_and_prefix(self) -> None:
        """A dated model name under the chat-completions prefix is the same model at the same price."""
        assert price("openai", "gpt-4o", usage(), AT) == price("openai-chat", "gpt-4o-2024-08-06", usage(), AT)

    def test_no_tokens_cost_zero(self) -> None:
        """0 measured tokens of a priced model cost 0, which is known."""
        priced = price("openai", "gpt-4o", usage(0, 0), AT)
        assert (0, 0, None) == (priced.cost_nanos, priced.cost_usd, priced.reason)

    def test_price_of_the_day(self) -> None:
        """A call is priced by the list of its own day: o3 fell from 10.00 to 2.00 per million on 10 June 2025."""
        before = price("openai", "o3", usage(1_000_000, 0), datetime(2025, 6, 1, tzinfo=UTC))
        after = price("openai", "o3", usage(1_000_000, 0), datetime(2025, 7, 1, tzinfo=UTC))
        assert (Decimal(10), Decimal(2)) == (before.cost_usd, after.cost_usd)

    def test_exact_in_any_context(self) -> None:
        """The caller's decimal precision does not touch the figure: (2^53 - 1) x 2.50e-6."""
        with localcontext() as context:
            context.prec = 3
            priced = price("openai", "gpt-4o", usage(2**53 - 1, 0), AT)
        assert (Decimal("22517998136.8524775"), 22_517_998_136_852_477_500) == (priced.cost_usd, priced.cost_nanos)

    def test_half_a_nano_dollar_goes_to_even(self) -> None:
        """At 0.0375 per million cached tokens, 1 is 37.5 nano-dollars and becomes 38; 3 are 112.5 and become 112."""
        one = price("groq", "openai/gpt-oss-20b", usage(1, 0, cache_read_tokens=1), AT)
        three = price("groq", "openai/gpt-oss-20b", usage(3, 0, cache_read_tokens=3), AT)
        assert (Decimal("37.5E-9"), 38) == (one.cost_usd, one.cost_nanos)
        assert (Decimal("112.5E-9"), 112) == (three.cost_usd, three.cost_nanos)

    def test_unknown_model(self) -> None:
        """A model the list does not know costs None, and the reason names model, provider and list."""
        priced = price("openai", "no-such-model", usage(), AT)
        reason = f"{price_table()} has no price for model 'no-such-model' of provider 'openai'"
        assert Priced(reason=reason) == priced

    def test_unknown_provider(self) -> None:
        """A provider the list does not know costs None, even for a model others sell."""
        priced = price("no-such-provider", "gpt-4o", usage(), AT)
        assert priced.cost_nanos is None
        assert "'no-such-provider'" in str(priced.reason)

    def test_a_price_that_is_missing_is_not_zero(self) -> None:
        """An embedding model lists no price for output, so output cannot be priced; without output it can."""
        reason = f"{price_table()} has no price for output tokens of 'text-embedding-3-small'"
        assert Priced(reason=reason) == price("openai", "text-embedding-3-small", usage(1000, 1), AT)
        assert Decimal("0.02") == price("openai", "text-embedding-3-small", usage(1_000_000, 0), AT).cost_usd

    def test_contradicting_counts(self) -> None:
        """More cache reads than input cannot be priced, and pricing says so instead of failing the run."""
        priced = price("openai", "gpt-4o", usage(10, 1, cache_read_tokens=20), AT)
        assert priced.cost_usd is None
        assert "cache_read_tokens (20) cannot exceed input_tokens (10)" in str(priced.reason)

    def test_a_downloaded_table_is_not_used(self) -> None:
        """Prices come from the table the package brought, whatever else the process has put in its place."""
        from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot

        set_custom_snapshot(DataSnapshot(providers=[], from_auto_update=True))
        for cached in (pricing._table, pricing._find):  # as in a process that has priced nothing yet
            cached.cache_clear()
        try:
            assert 3_500_000 == price("openai", "gpt-4o", usage(), AT).cost_nanos
            assert "no price for model 'another'" in str(price("openai", "another", usage(), AT).reason)
        finally:
            set_custom_snapshot(None)


@pytest.mark.parametrize(("sent", "produced", "word"), [(None, 1, "input"), (1, None, "output"), (None, None, "input")])
def test_missing_tokens(sent: int | None, produced: int | None, word: str) -> None:
    """Without both input and output there is no price."""
    reason = f"the provider did not report {word} tokens"
    assert Priced(reason=reason) == price("openai", "gpt-4o", usage(sent, produced), AT)


def test_a_naive_date_is_refused() -> None:
    """A moment without a zone is no moment."""
    with pytest.raises(ValueError, match="no time zone"):
        price("openai", "gpt-4o", usage(), datetime(2025, 6, 1))  # noqa: DTZ001  # naive on purpose


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed every price is None, and the reason says what to install."""
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    for cached in (pricing._table, pricing._find):
        cached.cache_clear()
    try:
        assert "trackrecord[prices]" in str(price("openai", "gpt-4o", usage(), AT).reason)
    finally:
        for cached in (pricing._table, pricing._find):
            cached.cache_clear()
