"""`unpin`: end what a killed agent left recording in the kernel; packages call it when they are removed."""

from __future__ import annotations

from ..command import FAULT, FINE, Command, Invocation
from ..kernel import pin_folders
from ..layout import Layout


def _run(call: Invocation) -> int:
    home = Layout(call.settings().state).watch
    if pin_folders.is_held(home):
        call.console.error("watch runs, and removes its pins when it stops: `systemctl stop vedette-watch`")
        return FAULT
    own = pin_folders.remove_all(home)
    gone = pin_folders.remove_gone()
    if call.console.as_json:
        call.console.value({"own": own, "gone": gone})
    else:
        call.console.line("nothing records for this agent" + (" any more" if own else ""))
        if gone:
            call.console.line(f"removed what recorded for {gone} agents whose state is deleted")
    return FINE


COMMAND = Command("unpin", "end what a killed agent left recording in the kernel", _run)
