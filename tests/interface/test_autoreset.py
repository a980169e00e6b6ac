"""The vector door in each autoreset mode, and with reset masks, against Gymnasium's SyncVectorEnv over our own single worlds."""

import copy
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import DictInfoToList

WORLDS = 3
STEPS = 130  # two ends of an episode of 50 slots, and more


@pytest.fixture(params=AutoresetMode, ids=lambda mode: mode.value)
def mode(request):
    return request.param


@pytest.fixture
def pair(short, busy):
    """A function: our vector environment and SyncVectorEnv over single worlds, in the same mode."""

    def make(mode, **options):
        options = {**short, **busy, **options}
        ours = gymnasium.make_vec("edge6g/Tiny-v0", num_envs=WORLDS, autoreset_mode=mode, **options)
        theirs = SyncVectorEnv([lambda: gymnasium.make("edge6g/Tiny-v0", **options)] * WORLDS, autoreset_mode=mode)
        return ours, theirs

    return make


def _as_lists(envs, infos):
    """Infos by world, as Gymnasium's masks say."""
    return DictInfoToList(envs)._convert_info_to_list(infos)


def _mask(*worlds):
    mask = np.zeros(WORLDS, bool)
    mask[list(worlds)] = True
    return mask


def _reset_ended(envs, ended):
    return envs.reset(options={"reset_mask": ended.copy()})


@pytest.mark.parametrize("options", [{}, {"skip_idle": True, "observe": "candidates"}])
def test_a_mode_is_gymnasiums_own(mode, pair, legal, options, assert_same):
    """Observations, rewards, ends, infos, masks, states and outcomes, with a reset of two worlds on the way."""
    ours, theirs = pair(mode, **options)
    rng = np.random.default_rng(0)
    assert_same(ours.reset(seed=7), theirs.reset(seed=7))
    ends = 0
    for step in range(STEPS):
        if step in (20, 65):  # worlds are at different slots from now on; the second has a seed for one of them
            seed = [None, 11, 12] if step == 65 else None
            a, b = (envs.reset(seed=seed, options={"reset_mask": _mask(0, 2)}) for envs in (ours, theirs))
            assert_same(a, b)
        actions = legal(ours.action_masks().reshape(WORLDS, 3, -1), rng)
        a, b = ours.step(actions), theirs.step(actions)
        assert_same(a[:4], b[:4])
        assert_same(_as_lists(ours, a[4]), _as_lists(theirs, b[4]))
        ended = a[2] | a[3]
        for name in ("action_masks", "state"):
            assert_same(ours.call(name), theirs.call(name))
        assert_same(ours.state(), np.stack(theirs.call("state")))
        assert_same(ours.action_masks(), np.stack(theirs.call("action_masks")))
        for b in np.flatnonzero(
            ~ended | (mode is not AutoresetMode.SAME_STEP)
        ):  # there ours are still of the episode that ended
            for name in ("counters", "outcomes"):
                assert_same(ours.call(name)[b], theirs.call(name)[b], ignore=("world",))
        ends += ended.sum()
        if mode is AutoresetMode.DISABLED and ended.any():
            assert_same(_reset_ended(ours, ended), _reset_ended(theirs, ended))
    assert ends > WORLDS


def test_infos_have_the_same_keys_in_every_step(mode, pair):
    ours, _ = pair(mode)
    ours.reset(seed=1)
    keys = set()
    for _ in range(STEPS):
        *_, truncated, infos = ours.step(ours.action_space.sample())
        keys.add(tuple(key for key in infos if "final" not in key))
        assert ("final_obs" in infos) == (truncated.any() and mode is AutoresetMode.SAME_STEP)
        if mode is AutoresetMode.DISABLED and truncated.any():
            _reset_ended(ours, truncated)
    assert len(keys) == 1


def test_the_step_after_an_end_ignores_its_actions(pair):
    ours, _ = pair(AutoresetMode.NEXT_STEP)
    ours.reset(seed=1)
    nothing = np.zeros((WORLDS, 3), np.int64)
    while not ours.step(nothing)[3].any():
        pass
    _, rewards, terminated, truncated, infos = ours.step(np.full((WORLDS, 3), -7))
    assert not np.any([rewards, terminated, truncated, infos["_costs"]])
    assert ours.get_attr("np_random_seed") == (1, 2, 3)
    with pytest.raises(ValueError, match="action"):
        ours.step(np.full((WORLDS, 3), -7))


def test_without_autoreset_an_ended_world_must_be_reset(pair, assert_same):
    ours, _ = pair(AutoresetMode.DISABLED)
    ours.reset(seed=1)
    ours.step(np.zeros((WORLDS, 3), np.int64))
    ours.reset(options={"reset_mask": _mask(1)})
    nothing = np.zeros((WORLDS, 3), np.int64)
    while not (truncated := ours.step(nothing)[3]).any():
        pass
    assert truncated.tolist() == [True, False, True]
    before = ours.save_state()
    with pytest.raises(ResetNeeded, match=r"world 0, 2: .*reset_mask"):
        ours.step(nothing)
    assert_same(ours.save_state(), before)
    _reset_ended(ours, truncated)
    ours.step(nothing)
    assert ours.reset()[1] == {}


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        ([True] * WORLDS, TypeError, "numpy array"),
        (np.ones(WORLDS, np.int8), TypeError, "bool"),
        (np.ones(WORLDS + 1, bool), ValueError, "shape"),
        (np.zeros(WORLDS, bool), ValueError, "True"),
    ],
)
def test_a_wrong_reset_mask_is_refused_as_by_gymnasium(mode, pair, mask, error, words, assert_same):
    ours, theirs = pair(mode)
    ours.reset(seed=1)
    before = ours.save_state()
    with pytest.raises(error, match=words):
        ours.reset(options={"reset_mask": mask})
    assert_same(ours.save_state(), before)
    theirs.reset(seed=1)
    with pytest.raises(error):
        theirs.reset(options={"reset_mask": mask})


def test_the_first_reset_is_of_all_worlds(mode, pair):
    ours, _ = pair(mode)
    with pytest.raises(ResetNeeded, match="first reset"):
        ours.reset(options={"reset_mask": _mask(0)})
    ours.reset(options={"reset_mask": _mask(0, 1, 2)})


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda envs: pickle.loads(pickle.dumps(envs)), None])
def test_ends_are_part_of_a_saved_state(mode, pair, copied, assert_same):
    ours, other = pair(mode)[0], pair(mode)[0]
    ours.reset(seed=4)
    nothing = np.zeros((WORLDS, 3), np.int64)
    while not (truncated := ours.step(nothing)[3]).any():
        pass
    if copied is None:
        other.load_state(ours.save_state())
    else:
        other = copied(ours)
    assert_same(other.action_masks(), ours.action_masks())
    assert_same(other.state(), ours.state())
    if mode is AutoresetMode.DISABLED:
        assert_same(_reset_ended(other, truncated), _reset_ended(ours, truncated))
    for _ in range(3):
        assert_same(other.step(nothing), ours.step(nothing))


@pytest.mark.parametrize("given", [AutoresetMode.DISABLED, "Disabled"])
def test_the_mode_is_shown(given):
    envs = gymnasium.make_vec("edge6g/Tiny-v0", num_envs=2, autoreset_mode=given)
    assert envs.autoreset_mode is AutoresetMode.DISABLED
    assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert gymnasium.make_vec("edge6g/Tiny-v0").metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert gymnasium.make_vec(envs.spec).autoreset_mode is AutoresetMode.DISABLED


@pytest.mark.parametrize("wrong", ["DISABLED", None, 1, True])
def test_no_such_mode(wrong):
    with pytest.raises(ValueError, match='autoreset_mode must be one of "NextStep", "SameStep", "Disabled"'):
        gymnasium.make_vec("edge6g/Tiny-v0", autoreset_mode=wrong)


def test_a_state_of_a_world_that_has_ended_goes_on_where_ends_are_not_shown(short, busy):
    """Where worlds are reset in the step in which they end, none stands still: all take their actions and have their ends told."""
    one = gymnasium.make("edge6g/Tiny-v0", **short, **busy).unwrapped
    one.reset(seed=3)
    ended = False
    while not ended:
        *_, ended, _ = one.step(one.action_space.sample() * 0)
    envs = gymnasium.make_vec("edge6g/Tiny-v0", num_envs=2, autoreset_mode="SameStep", **short, **busy)
    envs.reset(seed=7)
    for _ in range(48):
        envs.step(envs.action_space.sample() * 0)
    envs.unwrapped._views[0].load_state(one.save_state())
    assert not envs.unwrapped._ended.any()
    for _ in range(2):
        _, _, _, truncated, infos = envs.step(envs.action_space.sample() * 0)
        assert ("final_obs" in infos) == truncated.any()
        assert not envs.unwrapped._ended.any()
