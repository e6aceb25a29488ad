"""No server and no accident gets past a cap that several servers share."""

from decimal import Decimal

from tests.support.storm import storm


async def test_servers_that_share_a_cap_are_billed_no_more_than_it():
    result = await storm(2, 20, Decimal("0.03"), kills=1)
    assert 0 < result.billed <= result.ledger <= result.cap
    assert result.endings["answered"] > 0
    assert result.endings["BUDGET_EXCEEDED"] > 0
