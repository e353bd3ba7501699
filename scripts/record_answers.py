"""Play the scripts of tests/compat/neutron to a real Neutron and keep what it answers.

    PYTHONPATH=src:. python scripts/record_answers.py http://127.0.0.1:9696 [name of a script ...]

The Neutron must take identities from request headers (`keystonecontext` in its paste pipeline,
without `authtoken` before it): each section speaks for projects of its own. With `--show` nothing
is kept; the answers are printed with their messages.
"""

import argparse
import json

from tests.support.neutron_answers import SCRIPTS, RealNeutron, answers_of, save


def main() -> None:
    """Record the scripts that are named, or all."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("url")
    arguments.add_argument("scripts", nargs="*")
    arguments.add_argument("--show", action="store_true")
    wanted = arguments.parse_args()
    for script in sorted(SCRIPTS.glob("*.txt")):
        if wanted.scripts and script.stem not in wanted.scripts:
            continue
        played = list(answers_of(script, RealNeutron(wanted.url)))
        for request, answer in played if wanted.show else ():
            print(f"[{request.section}] {request.line}")
            print(f"    {answer.status} {answer.message or json.dumps(answer.body)}")
        if not wanted.show:
            save(script, played)
        print(f"{script.stem}: {len(played)} answers")


if __name__ == "__main__":
    main()
