"""One drawing through every door: as an array or in a window, never before it is asked for."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RecordVideo
from gymnasium.wrappers.vector import RecordVideo as RecordVideos
from pettingzoo.test import render_test
from stable_baselines3.common.vec_env import VecVideoRecorder

import edge6g_env
from edge6g_env import scene
from edge6g_env.batch import BatchEnv
from edge6g_env.errors import UserError
from edge6g_env.render import renderer, style
from edge6g_env.render.layout import layout_of
from edge6g_env.render.painter import Painter
from edge6g_env.render.window import PAUSE, QUIT, Window, tiled
from edge6g_env.scenario import load_scenario
from tests.interface.test_snapshot import OUTAGES

SHAPE = (600, 800, 3)
SHORT = {"time": {"episode_s": 1.0, "warmup_s": 0.0, "drain_s": 0.0}}


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    """Windows are opened nowhere."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def assert_frame(frame: Any) -> None:
    """A picture with something in it."""
    assert isinstance(frame, np.ndarray)
    assert (frame.shape, frame.dtype) == (SHAPE, np.uint8)
    assert frame.flags.owndata
    assert len(np.unique(packed(frame))) > 20


def packed(frame: np.ndarray) -> np.ndarray:
    """int64 (600, 800): each colour as one number."""
    return frame.astype(np.int64) @ np.array([65536, 256, 1])


def doors(render_mode: str | None) -> dict[str, Any]:
    """Each door to tiny, by name."""
    return {
        "parallel": edge6g_env.parallel_env("tiny", render_mode=render_mode, **SHORT),
        "aec": edge6g_env.env("tiny", render_mode=render_mode, **SHORT),
        "gym": gymnasium.make("edge6g/Tiny-v0", render_mode=render_mode, **SHORT),
        "vector": gymnasium.make_vec("edge6g/Tiny-v0", num_envs=2, render_mode=render_mode, **SHORT),
        "sb3": edge6g_env.sb3_vec_env("tiny", num_worlds=2, render_mode=render_mode, **SHORT),
    }


def test_every_door_draws_the_same_world():
    envs = doors("rgb_array")
    seeds = {"sb3": lambda env: (env.seed(3), env.reset())}
    for name, env in envs.items():
        seeds.get(name, lambda env: env.reset(seed=3))(env)
    frame = envs["parallel"].render()
    assert_frame(frame)
    for name in ("aec", "gym"):
        np.testing.assert_array_equal(envs[name].render(), frame)
    both = envs["vector"].render()
    assert isinstance(both, tuple)
    np.testing.assert_array_equal(both[0], frame)
    assert not np.array_equal(both[1], frame)
    np.testing.assert_array_equal(envs["sb3"].get_images()[1], both[1])
    assert envs["sb3"].render().shape[2] == 3
    np.testing.assert_array_equal(envs["vector"].call("render")[1], both[1])
    np.testing.assert_array_equal(envs["sb3"].env_method("render", indices=0)[0], frame)
    for env in envs.values():
        assert env.render_mode == "rgb_array"
        assert env.metadata["render_modes"] == ["rgb_array", "human"]
        assert env.metadata["render_fps"] == round(1 / load_scenario("tiny").time.slot_s)


def test_nothing_is_drawn_or_imported_before_it_is_asked_for():
    code = (
        "import sys, edge6g_env\n"
        "env = edge6g_env.parallel_env('tiny', render_mode='rgb_array')\n"
        "env.reset(seed=0)\n"
        "env.step({agent: 0 for agent in env.agents})\n"
        "assert not {'PIL', 'pygame', 'edge6g_env.render.painter'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_a_mode_it_draws_nothing_and_says_so():
    for name, env in doors(None).items():
        env.reset()
        assert env.render_mode is None
        with pytest.warns(UserWarning, match="render"):
            assert not env.render(), name


def test_a_mode_that_there_is_not_is_refused(monkeypatch):
    makers = (
        edge6g_env.parallel_env,
        edge6g_env.env,
        edge6g_env.sb3_vec_env,
        lambda _, **options: gymnasium.make("edge6g/Tiny-v0", **options).unwrapped,
        lambda _, **options: gymnasium.make_vec("edge6g/Tiny-v0", **options),
    )
    for make in makers:
        with pytest.raises(TypeError, match=r'render_mode must be "rgb_array", "human" or None, it is \'ansi\''):
            make("tiny", render_mode="ansi")
    monkeypatch.setattr(renderer, "find_spec", lambda _: None)
    for make in makers:
        with pytest.raises(UserError, match=r"pip install 'edge6g\[watch\]'"):
            make("tiny", render_mode="human")
    with pytest.raises(UserError, match="snapshot"):
        BatchEnv("tiny", 1, render_mode="rgb_array")


def test_before_the_first_reset_there_is_nothing_to_draw():
    for env in (edge6g_env.parallel_env("tiny", render_mode="rgb_array"), doors("rgb_array")["sb3"]):
        with pytest.raises(RuntimeError, match="call reset before render"):
            env.render()


def test_drawing_moves_no_trajectory(assert_same):
    drawn, other = edge6g_env.parallel_env("tiny", render_mode="rgb_array"), edge6g_env.parallel_env("tiny")
    for env in (drawn, other):
        env.reset(seed=1)
    for _ in range(30):
        actions = {
            agent: int(np.flatnonzero(drawn.batch.action_masks()[0, i])[-1]) for i, agent in enumerate(drawn.agents)
        }
        steps = [env.step(actions) for env in (drawn, other)]
        drawn.render()
        assert_same(*steps)
    assert_same(drawn.save_state(), other.save_state())


@pytest.mark.parametrize("mode", ["SameStep", "NextStep", "Disabled"])
def test_after_an_end_the_frame_is_of_the_episode_that_its_observation_is_of(mode):
    """A door that shows the last observation draws the world as it was a step before it; one that has gone on draws the present."""
    env = gymnasium.make_vec("edge6g/Tiny-v0", 2, render_mode="rgb_array", autoreset_mode=mode, **SHORT)
    env.reset(seed=0)
    hold = np.zeros((2, env.batch.num_agents), np.int64)
    ended = np.zeros(2, bool)
    slots = round(1.0 / env.batch.scenario.time.slot_s)
    for slot in range(slots):
        before = env.render() if slot == slots - 1 else None
        *_, ended, _ = env.step(hold)
    after = env.render()
    assert ended.all()
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True)) == (mode != "SameStep")
    single = edge6g_env.parallel_env("tiny", render_mode="rgb_array", **SHORT)
    single.reset(seed=0)
    while single.agents:
        single.step(dict.fromkeys(single.agents, 0))
    np.testing.assert_array_equal(single.render(), before[0])


def test_copies_draw_what_the_original_draws():
    env = edge6g_env.parallel_env("tiny", render_mode="rgb_array")
    env.reset(seed=2)
    frame = env.render()
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        np.testing.assert_array_equal(twin.render(), frame)


def test_the_libraries_own_checks_pass():
    render_test(lambda **options: edge6g_env.env("tiny", **options))
    for mode in ("rgb_array", "human", None):
        env = gymnasium.make("edge6g/Tiny-v0", render_mode=mode, disable_env_checker=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*render.*")
            warnings.filterwarnings("ignore", message=".*No render fps.*")
            check_env(env.unwrapped)
        env.close()


def test_videos_are_written(tmp_path):
    pytest.importorskip("moviepy")
    env = RecordVideo(gymnasium.make("edge6g/Tiny-v0", render_mode="rgb_array", **SHORT), str(tmp_path / "one"))
    env.reset(seed=0)
    truncated, steps = False, 0
    while not truncated:
        truncated, steps = env.step(np.zeros(env.action_space.shape, np.int64))[3], steps + 1
    assert len(env.recorded_frames) in (0, steps + 1)
    env.close()
    many = gymnasium.make_vec("edge6g/Tiny-v0", 2, render_mode="rgb_array", **SHORT)
    many = RecordVideos(many, str(tmp_path / "many"), video_length=3, step_trigger=lambda step: step == 0)
    many.reset(seed=0)
    for _ in range(5):
        many.step(np.zeros(many.action_space.shape, np.int64))
    many.close()
    agents = VecVideoRecorder(doors("rgb_array")["sb3"], str(tmp_path / "agents"), lambda step: step == 0, 3)
    agents.reset()
    for _ in range(5):
        agents.step(np.zeros(agents.num_envs, np.int64))
    agents.close()
    sizes = {path.parent.name: path.stat().st_size for path in tmp_path.rglob("*.mp4")}
    assert set(sizes) == {"one", "many", "agents"}
    assert min(sizes.values()) > 1000


# --- the window ------------------------------------------------------------------------------------------------------------------------


def test_a_window_shows_what_is_drawn(monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setattr("time.sleep", lambda _: None)
    for name, env in doors("human").items():
        env.reset()
        assert env.render() is None
        shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
        assert_frame(np.array(shown))
        env.close()
        assert pygame.display.get_surface() is None, name


@pytest.mark.parametrize("driver", ["offscreen", "dummy"])
def test_without_a_display_there_is_a_sentence_not_a_window_that_nobody_sees(monkeypatch, driver):
    """SDL falls back on drivers that show nothing."""
    pygame = pytest.importorskip("pygame")
    with monkeypatch.context() as patch:
        patch.setattr(pygame.display, "get_driver", lambda: driver)
        patch.setattr(pygame.display, "init", lambda: None)
        patch.setattr(pygame.display, "set_mode", lambda size: None)
        Window("tiny")  # who names a driver gets it
        patch.delenv("SDL_VIDEODRIVER")
        with pytest.raises(UserError, match="no window can be opened: there is no display"):
            Window("tiny")


def test_its_user_pauses_and_closes_it():
    pygame = pytest.importorskip("pygame")
    frame = np.zeros(SHAPE, np.uint8)
    window = Window("tiny")
    window.show(frame)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE))
    assert window.heard() == [PAUSE]
    for event in (
        {"type": pygame.QUIT},
        {"type": pygame.KEYDOWN, "key": pygame.K_q},
        {"type": pygame.KEYDOWN, "key": pygame.K_ESCAPE},
    ):
        window = Window("tiny")
        kind = event.pop("type")
        pygame.event.post(pygame.event.Event(kind, **event))
        assert window.heard() == [QUIT]
        assert window.is_closed
        window.show(frame)
        assert pygame.display.get_surface() is None


def test_frames_of_several_worlds_stand_side_by_side():
    frames = [np.full(SHAPE, shade, np.uint8) for shade in (0, 100, 200)]
    whole = tiled(frames)
    assert whole.shape == SHAPE
    assert [int(whole[y, x, 0]) for y, x in ((0, 0), (0, 799), (599, 0), (599, 799))] == [0, 100, 200, 255]
    assert tiled(frames[:1]) is frames[0]


# --- what is in it ---------------------------------------------------------------------------------------------------------------------


def painted(env: BatchEnv) -> np.ndarray:
    return Painter(scene.scene_of(env.scenario)).paint(env.snapshot())


def test_it_draws_every_scenario_and_all_of_its_nodes(scenario):
    env = BatchEnv(scenario, 1)
    env.reset(seed=0)
    frame, place = painted(env), layout_of(scene.scene_of(env.scenario))
    assert_frame(frame)
    for (x_m, y_m), up in zip(scene.scene_of(env.scenario).node_m.tolist(), env.snapshot().nodes.up, strict=True):
        x, y = place.xy(x_m, y_m)
        mark = frame[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].reshape(-1, 3)
        assert (np.abs(mark.astype(int) - (style.INK if up else style.DOWN)).sum(axis=1) < 30).any()


@pytest.mark.parametrize(
    "nodes",
    [
        {"count": 40, "columns": 2},
        {"count": 1, "columns": 1},
        {"count": 300, "columns": 20},
        {"count": 9, "columns": 3},
    ],
)
def test_any_area_and_any_number_of_nodes_fit(nodes):
    env = BatchEnv("tiny", 1, nodes=nodes)
    env.reset(seed=0)
    place = layout_of(scene.scene_of(env.scenario))
    left, top, right, bottom = place.map
    assert 0 <= left < right <= 800
    assert 0 <= top < bottom <= 600
    width_m, height_m = env.scenario.area_m
    assert (right - left) / (bottom - top) == pytest.approx(width_m / height_m)
    assert place.columns * place.rows >= min(32, nodes["count"])
    overlap_x = min(place.strip[2], place.table[2]) - max(place.strip[0], place.table[0])
    overlap_y = min(place.strip[3], place.table[3]) - max(place.strip[1], place.table[1])
    assert min(overlap_x, overlap_y) <= 0
    assert_frame(painted(env))


def test_what_is_down_is_red():
    """Vermilion is in the legend alone until something is down."""

    def reds(frame: np.ndarray) -> int:
        return int((packed(frame) == packed(np.array(style.DOWN))).sum())

    env = BatchEnv("tiny", 1, faults={"outage": OUTAGES})
    env.reset(seed=0)
    hold = np.zeros((1, env.num_agents), np.int64)
    up = reds(painted(env))
    seen = [up]
    for until_s in (0.9, 1.2, 1.7, 2.2):
        while env.snapshot().now_s < until_s - 1e-9:
            env.step(hold)
        seen.append(reds(painted(env)))
    assert seen[1] == up
    assert up < seen[2] < seen[3] < seen[4]
