"""A compiler for functions that only compiled code calls: their code is kept for linking, neither optimised nor loaded.

Numba optimises every function together with all that it calls, and generates and loads machine code for it; a function at depth n of the
calls is compiled n times over. Here only what Python calls is: a third of a compile saved, the machine code as fast, the results the
same bits (LLVM reorders no floating-point operations without fast-math). It builds on internals of numba, so `InnerCompiler` is None
where numba does not have them, and functions are compiled in numba's own way.
"""

from __future__ import annotations

from typing import Any

try:
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
    from numba.core.compiler_machinery import LoweringPass, register_pass
    from numba.core.typed_passes import AnnotateTypes
except ImportError:  # pragma: no cover
    InnerCompiler = None
else:

    class _InnerLibrary(JITCodeLibrary):
        """Code of a function and of all that it calls, as its callers link it."""

        def finalize(self) -> None:
            """Link what is called; CPUCodeLibrary.finalize without optimising and loading."""
            self._raise_if_finalized()
            for library in dict.fromkeys(self._linking_libraries):
                self._reload_init.update(library._reload_init)
                self._final_module.link_in(library._get_module_for_linking(), preserve=True)
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            """0: there is no machine code to point to."""
            self._ensure_finalized()
            return 0

        @property
        def codegen(self) -> _InnerLibrary:
            """Itself: who asks has `set_env` in mind."""
            return self

        def set_env(self, *_: Any) -> None:
            """Nothing: the environment is for code that calls Python."""

    @register_pass(mutates_CFG=False, analysis_only=True)
    class _ForLinking(LoweringPass):
        """Has the function lowered into an _InnerLibrary."""

        _name = "edge6g_for_linking"

        def __init__(self) -> None:
            super().__init__()

        def run_pass(self, state: Any) -> bool:
            """Put the library there before NativeLowering makes one."""
            state.library = _InnerLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
            return True

    class InnerCompiler(CompilerBase):  # type: ignore[no-redef]
        """Numba's passes with `_ForLinking` before NativeLowering."""

        def define_pipelines(self) -> list[Any]:
            """The one pipeline."""
            pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
            pipeline.add_pass_after(_ForLinking, AnnotateTypes)
            pipeline.finalize()
            return [pipeline]
