from __future__ import annotations

from collections.abc import Mapping

from router.local.asking import profiles
from router.local.asking.answers import Told, catalogued
from router.local.asking.asking import Asked
from router.local.asking.servlets import Servlet
from router.synapse.catalogue import CataloguedEndpoint

TARGET = "/_matrix/client/v3/x"
PLAIN = Servlet(pattern=f"^{TARGET}$", method="PUT", name="X")

REFERENCE = profiles.reference()
SPLIT = profiles.split()
MAS = profiles.mas()
NOTHING = Told(profile=MAS, registered={}, answers={})


def told(profile: profiles.Profile, servlet: Servlet, answers: Mapping[str, str], *, others: str) -> Told:
    """What processes answered to one servlet: `others` those that are not named."""
    every = {name: answers.get(name, others) for name in profile.asked}
    here = {name for name, answer in every.items() if not answer.split("/")[0].endswith("-")}
    return Told(
        profile=profile,
        registered={name: frozenset([servlet]) if name in here else frozenset() for name in profile.asked},
        answers={name: {servlet: asked(answer)} for name, answer in every.items()},
    )


def asked(answer: str) -> Asked:
    first, _, valid = answer.partition("/")
    return Asked(anonymous={TARGET: first}, valid=valid)


def line(
    reference: Mapping[str, str], split: Mapping[str, str], *, others: str = "401/500"
) -> CataloguedEndpoint:
    (found,) = catalogued(
        told(REFERENCE, PLAIN, reference, others=others),
        told(SPLIT, PLAIN, split, others=others),
        NOTHING,
        by_settings=frozenset([PLAIN]),
    )
    return found


MEDIA_ELSEWHERE = {"media1": "404-"}


def test_what_only_one_writer_can_do_belongs_to_its_stream() -> None:
    found = line(
        {"receipts_writer": "401/200"}, MEDIA_ELSEWHERE | {"typing_writer": "401/200"}, others="401/500"
    )

    assert (found.stream, sorted(found.served_by)) == ("typing", ["writer"])
    assert found.answers == {
        "reference:main": "401/500",
        "reference:generic1": "401/500",
        "reference:receipts_writer": "401/200",
        "split:main": "401/500",
        "split:generic1": "401/500",
        "split:media1": "404-",
        "split:typing_writer": "401/200",
    }
    assert found.answer("split", "receipts_writer") == "401/500"


def test_what_two_writers_can_do_is_no_streams() -> None:
    found = line({}, MEDIA_ELSEWHERE | {"typing_writer": "401/200", "presence_writer": "401/200"})

    assert (found.stream, sorted(found.served_by)) == ("", [])


def test_what_main_or_a_worker_can_do_as_well_is_no_streams() -> None:
    main = line({}, MEDIA_ELSEWHERE | {"main": "401/200", "typing_writer": "401/200"})
    worker = line({}, MEDIA_ELSEWHERE | {"generic1": "401/200", "typing_writer": "401/200"})

    assert (main.stream, sorted(main.served_by)) == ("", ["main"])
    assert (worker.stream, sorted(worker.served_by)) == ("", ["worker"])


def test_what_only_the_media_process_has_is_served_by_such_a_one() -> None:
    """Also where main answers in the reference: there it has the media repository."""
    found = line({"main": "401/200"}, {"media1": "401/200"}, others="404-")

    assert (found.stream, sorted(found.served_by)) == ("", ["media"])


def test_where_nobody_answers_what_they_register_decides() -> None:
    servlet = {name: frozenset([PLAIN]) if name == "main" else frozenset() for name in SPLIT.asked}
    split = Told(
        profile=SPLIT,
        registered={name: frozenset(found) for name, found in servlet.items()},
        answers=told(SPLIT, PLAIN, {}, others="404-").answers,
    )

    (found,) = catalogued(
        told(REFERENCE, PLAIN, {"main": "404"}, others="404-"), split, NOTHING, by_settings=frozenset()
    )

    assert found.served_by == {"main"}


def test_what_the_reference_does_not_register_says_what_it_wants() -> None:
    split = told(SPLIT, PLAIN, {}, others="200")
    reference = told(REFERENCE, Servlet(pattern="^/other$", method="GET", name="Other"), {}, others="401")

    (settings,) = catalogued(reference, split, NOTHING, by_settings=frozenset([PLAIN]))
    (experiment,) = catalogued(reference, split, NOTHING, by_settings=frozenset())

    assert (settings.only_with, experiment.only_with) == ("settings", "experiments")
    assert set(settings.answers) == {"split:main", "split:generic1", "split:media1"}


def test_alternatives_that_are_answered_differently_have_lines_of_their_own() -> None:
    both = Servlet(pattern="^/_matrix/client/(r0|v3)/x$", method="GET", name="X")
    answers = Asked(anonymous={"/_matrix/client/r0/x": "404-", TARGET: "401"}, valid="200")
    one = {
        profile.name: Told(
            profile=profile,
            registered={name: frozenset([both]) for name in profile.asked},
            answers={name: {both: answers} for name in profile.asked},
        )
        for profile in (REFERENCE, SPLIT)
    }

    found = catalogued(one["reference"], one["split"], NOTHING, by_settings=frozenset())

    assert [(e.target, e.answers["reference:main"]) for e in found] == [
        ("/_matrix/client/r0/x", "404-"),
        (TARGET, "401/200"),
    ]


def test_an_experiments_servlet_in_the_place_of_another_keeps_the_others_name() -> None:
    unstable = Servlet(pattern=PLAIN.pattern, method="PUT", name="UnstableX")

    (found,) = catalogued(
        told(REFERENCE, PLAIN, {}, others="401"),
        told(SPLIT, unstable, {}, others="401"),
        NOTHING,
        by_settings=frozenset(),
    )

    assert (found.servlet, found.only_with) == ("X", "")


def test_what_only_another_login_brings_is_served_by_whoever_serves_it_there() -> None:
    """Also if it fails, since there is no such service here: then what they register decides."""
    other = Servlet(pattern="^/other$", method="GET", name="Other")
    reference, split = (Told(profile=p, registered={}, answers={}) for p in (REFERENCE, SPLIT))
    failing = Told(
        profile=MAS,
        registered={"main": frozenset([other]), "generic1": frozenset()},
        answers={
            "main": {other: Asked(anonymous={"/other": "500"})},
            "generic1": {other: Asked(anonymous={"/other": "404-"})},
        },
    )

    (found,) = catalogued(reference, split, failing, by_settings=frozenset())

    assert (found.only_with, found.served_by) == ("mas", frozenset({"main"}))
    assert found.answers == {"mas:main": "500", "mas:generic1": "404-"}
