"""Compilers for functions that only compiled code calls, and for those that Python calls too.

Numba optimises every function together with all that it calls, and generates and loads machine code for it; a function at depth n of the
calls is compiled n times over. Here only what Python calls is: the code of an inner function stays as it was lowered, and an entry links
the code of all that it needs, each function once. More than half of a compile is saved, the machine code is as fast, the results are the
same bits (LLVM reorders no floating-point operations without fast-math). It builds on internals of numba, so both compilers are None
where numba does not have them, and functions are compiled in numba's own way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from numba import types
from numba.core.types.misc import unliteral


def forget_literals(dispatcher: Any) -> None:
    """Have callers compile a function for the types of its arguments only: numba makes one version for each literal integer else."""
    call_template = dispatcher.get_call_template

    def without_literals(args: Any, kws: Any) -> Any:
        return call_template([unliteral(a) for a in args], {k: unliteral(a) for k, a in kws.items()})

    dispatcher.get_call_template = without_literals


try:
    from llvmlite.binding import Linkage
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
    from numba.core.compiler_machinery import LoweringPass, register_pass
    from numba.core.typed_passes import AnnotateTypes, NopythonRewrites
    from numba.core.untyped_passes import InlineClosureLikes
except ImportError:  # pragma: no cover
    InnerCompiler = SeldomCompiler = EntryCompiler = None
else:

    class _InnerLibrary(JITCodeLibrary):
        """Code of one function, as the entries above it link it; what it calls is only noted."""

        def finalize(self) -> None:
            """CPUCodeLibrary.finalize without linking, optimising and loading."""
            self._raise_if_finalized()
            for library in self._linking_libraries:
                self._reload_init.update(library._reload_init)
            self._finalized = True

        def _optimize_functions(self, ll_module: Any) -> None:
            """Nothing but the data layout: the entry optimises the code of all together."""
            ll_module.data_layout = self._codegen._data_layout

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

    class _SeldomLibrary(_InnerLibrary):
        """The same of a function that runs seldom: small rather than fast, and never inlined."""

        def _optimize_functions(self, ll_module: Any) -> None:
            super()._optimize_functions(ll_module)
            for function in ll_module.functions:
                if not function.is_declaration:
                    function.add_function_attribute("optsize")
                    function.add_function_attribute("noinline")

    class _EntryLibrary(JITCodeLibrary):
        """Code that Python calls: all that it needs, linked once, optimised and loaded."""

        _linking_libraries: list[Any]

        def finalize(self) -> None:
            """CPUCodeLibrary.finalize with the code of all inner functions below."""
            self._linking_libraries = _callers_first(self._linking_libraries)
            super().finalize()

        def _optimize_final_module(self) -> None:
            """CPUCodeLibrary's, without a first round for reference counts, which inner functions have none of.

            Functions that nobody outside calls are inlined where they are called once, and their values kept in registers.
            """
            for function in self._final_module.functions:
                if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                    function.linkage = Linkage.internal
            passes, builder = self._codegen._module_pass_manager()
            passes.run(self._final_module, builder)

    def _callers_first(libraries: Iterable[Any]) -> list[Any]:
        """These and all that their inner functions call, each once and none before one that calls it: LLVM leaves out what nobody has
        called yet."""
        seen: set[Any] = set()
        callees_first: list[Any] = []

        def visit(library: Any) -> None:
            if library in seen:
                return
            seen.add(library)
            if isinstance(library, _InnerLibrary):
                for called in library._linking_libraries:
                    visit(called)
            callees_first.append(library)

        for library in libraries:
            visit(library)
        return callees_first[::-1]

    class _IntoLibrary(LoweringPass):
        """Has the function lowered into a library of ours: put there before NativeLowering makes one."""

        def __init__(self) -> None:
            super().__init__()

        def _make_library(self, state: Any, kind: type) -> bool:
            state.library = kind(state.targetctx.codegen(), state.func_id.func_qualname)
            return True

    @register_pass(mutates_CFG=False, analysis_only=True)
    class _AsInner(_IntoLibrary):
        """Into an _InnerLibrary."""

        _name = "edge6g_as_inner"

        def run_pass(self, state: Any) -> bool:
            """One that is not cached: it is in the cached code of the entries."""
            return self._make_library(state, _InnerLibrary)

    @register_pass(mutates_CFG=False, analysis_only=True)
    class _AsSeldom(_IntoLibrary):
        """Into a _SeldomLibrary."""

        _name = "edge6g_as_seldom"

        def run_pass(self, state: Any) -> bool:
            """One that is not cached, as an _InnerLibrary."""
            return self._make_library(state, _SeldomLibrary)

    @register_pass(mutates_CFG=False, analysis_only=True)
    class _AsEntry(_IntoLibrary):
        """Into an _EntryLibrary."""

        _name = "edge6g_as_entry"

        def run_pass(self, state: Any) -> bool:
            """One that can be cached, as NativeLowering makes it."""
            made = self._make_library(state, _EntryLibrary)
            state.library.enable_object_caching()
            return made

    # They look for closures and comprehensions, and for expressions of whole arrays: the kernel has neither.
    _IDLE_PASSES = (InlineClosureLikes, NopythonRewrites)

    class _Typing:
        """Numba's typing context, which remembers how an operator is typed: it goes through every overload of `+` and of `[]` else, each
        of the thousand times, for a quarter of a compile."""

        _known: ClassVar[dict[Any, Any]] = {}

        def __init__(self, context: Any) -> None:
            self._context = context

        def __getattr__(self, name: str) -> Any:
            return getattr(self._context, name)

        def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
            """The signature, from an earlier time if `func` is a function of numba's own."""
            if kws or not isinstance(func, types.Function):
                return self._context.resolve_function_type(func, args, kws)
            key = (func, tuple(args))
            if key not in self._known:
                self._known[key] = self._context.resolve_function_type(func, args, kws)
            return self._known[key]

    class _IntoLibraryCompiler(CompilerBase):
        """Numba's passes with one of the above before NativeLowering."""

        def __init__(self, typingctx: Any, *others: Any) -> None:
            super().__init__(_Typing(typingctx), *others)

        library_pass: type[_IntoLibrary]

        def define_pipelines(self) -> list[Any]:
            """The one pipeline."""
            pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
            pipeline.passes = [one for one in pipeline.passes if one[0] not in _IDLE_PASSES]
            pipeline.add_pass_after(self.library_pass, AnnotateTypes)
            pipeline.finalize()
            return [pipeline]

    class InnerCompiler(_IntoLibraryCompiler):  # type: ignore[no-redef]
        """For functions that only compiled code calls."""

        library_pass = _AsInner

    class SeldomCompiler(_IntoLibraryCompiler):  # type: ignore[no-redef]
        """For those of them that run seldom."""

        library_pass = _AsSeldom

    class EntryCompiler(_IntoLibraryCompiler):  # type: ignore[no-redef]
        """For functions that Python calls."""

        library_pass = _AsEntry
