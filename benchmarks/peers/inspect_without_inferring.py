"""`ckptscope inspect --format json` as it is but for the families, which are not asked."""

from ckptscope.cli.app import main
from ckptscope.pipeline import inspecting

vars(inspecting)["identify"] = lambda *arguments, **options: ()
main()
