"""What there is to tell the server, until it has been told."""

from portlight.agent.outbox import KEPT_CLAIMS, Outbox
from portlight.client.agent import ClaimReport, ErrorReport, PortReport


def a_claim(at: float) -> ClaimReport:
    return ClaimReport(
        network=1,
        address="192.0.2.1",
        port=2,
        mac="02:00:00:00:00:01",
        kind="arp",
        accepted=True,
        at=at,
    )


def test_a_newer_observation_replaces_an_older_one() -> None:
    outbox = Outbox("here")
    outbox.observe(ports=[PortReport(number=1, status="BUILD")])
    outbox.observe(ports=[PortReport(number=1, status="ACTIVE")])

    assert outbox.take().ports == (PortReport(number=1, status="ACTIVE"),)
    assert outbox.take().ports == ()


def test_a_report_that_did_not_arrive_is_told_again_but_not_over_newer_news() -> None:
    outbox = Outbox("here")
    outbox.observe(
        ports=[PortReport(number=1, status="BUILD"), PortReport(number=2, status="BUILD")],
        claims=[a_claim(1.0)],
    )
    lost = outbox.take()
    outbox.observe(ports=[PortReport(number=1, status="ACTIVE")], claims=[a_claim(2.0)])

    outbox.give_back(lost)

    again = outbox.take()
    assert {one.number: one.status for one in again.ports} == {1: "ACTIVE", 2: "BUILD"}
    assert [claim.at for claim in again.claims] == [1.0, 2.0]


def test_the_oldest_claims_are_forgotten_first() -> None:
    outbox = Outbox("here")

    outbox.observe(claims=[a_claim(float(at)) for at in range(KEPT_CLAIMS + 5)])

    claims = outbox.take().claims
    assert len(claims) == KEPT_CLAIMS
    assert claims[-1].at == KEPT_CLAIMS + 4


def test_nothing_seen_is_nothing_to_tell() -> None:
    outbox = Outbox("here")

    outbox.observe()

    assert not outbox.wait(0.0)


def test_errors_are_all_present_ones() -> None:
    outbox = Outbox("here")
    outbox.applied(4, [ErrorReport(object="links 1", message="no")])
    assert outbox.take().errors == (ErrorReport(object="links 1", message="no"),)

    outbox.applied(5, [])

    report = outbox.take()
    assert report.errors == ()
    assert report.applied_sequence == 5


def test_after_a_snapshot_the_numbers_may_start_again() -> None:
    outbox = Outbox("here")
    outbox.applied(900, [])

    outbox.restart(3)
    outbox.applied(3, [])

    assert outbox.take().applied_sequence == 3
