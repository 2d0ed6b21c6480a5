from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import QueryError
from curate.recipes.query import evaluate, parse, parse_condition, parse_list, parse_order, prepare
from curate.scorers.columns import CATALOGUE, EXPRESSIONS, schema

ALL = dict(pl.DataFrame(schema=schema(CATALOGUE)).schema)
FACES = pl.DataFrame(
    {
        "image": [f"/f/{i}.png" for i in range(6)],
        "status": ["ok", "ok", "ok", "ok", "ok", "no_face"],
        "fear": pl.Series([0.6, 0.7, 0.1, None, 0.6, None], dtype=pl.Float32),
        "yaw": pl.Series([-30, 10, 0, 25, None, None], dtype=pl.Float32),
        "width": pl.Series([50_000, 512, 1, 2, 3, 9], dtype=pl.Int32),
        "seed": pl.Series([1, 2**63 + 5, 2**64 - 1, 0, None, 7], dtype=pl.UInt64),
        "expression": ["fear", "anger", "fear", None, "happiness", None],
        "prompt": ["it's a\\b", "50% sad_", "SAD", "", None, "sad"],
        "smiles": [True, False, None, True, False, None],
        "tag": pl.Series(["a", "b", None, "a", "b", None], dtype=pl.Categorical),
    }
)


def rows(text: str, frame: pl.DataFrame = FACES) -> list[int]:
    """The rows for which a condition is true."""
    result = evaluate([parse_condition(text, frame.schema)], frame)["0"]
    return result.fill_null(value=False).arg_true().to_list()


def value(text: str, frame: pl.DataFrame = FACES) -> list[Any]:
    return evaluate([parse(text, frame.schema)], frame)["0"].to_list()


def failure(text: str, check: Callable[..., Any] = parse_condition) -> QueryError:
    with pytest.raises(QueryError) as caught:
        check(text, ALL)
    return caught.value


def underlined(error: QueryError) -> str:
    assert error.position is not None
    return error.query[error.position : error.position + error.length]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fear >= .6", [0, 1, 4]),
        ("fear = .6", [0, 4]),
        ("fear == 0.6", [0, 4]),
        ("fear > .6", [1]),
        ("fear != .6", [1, 2]),
        ("fear <> .6", [1, 2]),
        ("fear in (.6, .1)", [0, 2, 4]),
        ("fear in (6e-1)", [0, 4]),
        ("fear not in (.6)", [1, 2]),
        ("fear between .6 and .7", [0, 1, 4]),
        ("fear NOT Between .6 AND .7", [2]),
        ("greatest(fear, .6) = .6", [0, 2, 3, 4, 5]),
        ("coalesce(fear, .6) = .6", [0, 3, 4, 5]),
        ("case when fear > .5 then fear else .7 end = .7", [1, 2, 3, 5]),
    ],
)
def test_numbers_of_32_bits_compare_as_they_read(text: str, expected: list[int]) -> None:
    assert rows(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("width * width > 2000000000", [0]),
        ("power(width, 2) > 2000000000", [0]),
        ("50000 * 50000 > 2147483647", [0, 1, 2, 3, 4, 5]),
        ("seed - 5 < 0", [0, 3]),
        ("-seed < 0", [0, 1, 2, 5]),
        ("seed = 9223372036854775813", [1]),
        ("seed in (18446744073709551615, 7)", [2, 5]),
        ("seed % 2 = 1", [0, 1, 2, 5]),
        ("length(prompt) - 4 < 0", [2, 3, 5]),
    ],
)
def test_whole_numbers_neither_overflow_nor_wrap_nor_round(text: str, expected: list[int]) -> None:
    assert rows(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prompt = 'it''s a\\b'", [0]),
        ("prompt like '50%'", [1]),
        ("prompt like '%sad_'", [1]),
        ("prompt ilike 'sad'", [2, 5]),
        ("prompt not ilike '%sad%'", [0, 3]),
        ("lower(prompt) = 'sad'", [2, 5]),
        ("starts_with(prompt, 'it')", [0]),
        ("expression in ('fear', 'anger')", [0, 1, 2]),
        ("tag = 'a'", [0, 3]),
        ("tag like 'a%'", [0, 3]),
        ('"fear" > .6', [1]),
    ],
)
def test_words(text: str, expected: list[int]) -> None:
    assert rows(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fear is null", [3, 5]),
        ("not fear > .6", [0, 2, 4]),
        ("fear > .6 or yaw > 20", [1, 3]),
        ("smiles", [0, 3]),
        ("not smiles", [1, 4]),
        ("smiles is true", [0, 3]),
        ("sqrt(yaw) > 0", [1, 3]),
        ("yaw / yaw is null", [2, 4, 5]),
        ("ln(yaw) < 100", [1, 2, 3]),
        ("coalesce(yaw / yaw, 7) = 7", [2, 4, 5]),
        ("fear > .5 or true", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_what_has_no_answer_is_not_true(text: str, expected: list[int]) -> None:
    assert rows(text) == expected


def test_percentiles_and_scores_are_among_the_scored_faces() -> None:
    assert value("pct(fear)") == [50.0, 87.5, 12.5, None, 50.0, None]
    assert value("pct(width)") == [90.0, 70.0, 10.0, 30.0, 50.0, None]
    assert value("PCT(-width)") == [10.0, 30.0, 90.0, 70.0, 50.0, None]
    fear = FACES["fear"].cast(pl.Float64)
    expected = (fear - fear.mean()) / fear.std(ddof=0)
    assert value("z(fear)") == pytest.approx(expected.to_list(), abs=1e-12)
    assert value("z(fear - fear + .1)") == [0.0, 0.0, 0.0, None, 0.0, None]


def test_the_rows_of_a_percentile_may_be_any_of_the_frame() -> None:
    query = parse("pct(abs(yaw)) > 50 and fear > .5", FACES.schema)
    prepared = prepare([query], FACES).filter(query.expr)
    assert prepared["image"].to_list() == ["/f/0.png"]
    lazily = prepare([query], FACES.lazy()).filter(query.expr).collect()
    assert lazily["image"].to_list() == ["/f/0.png"]
    assert query.reads == {"yaw", "fear", "status"}
    assert query.names == ("yaw", "fear", "pct(abs(yaw))")
    assert [clause.text for clause in query.clauses] == ["pct(abs(yaw)) > 50", "fear > .5"]


def test_a_percentile_of_affect_reads_the_columns_of_the_word() -> None:
    count = 9
    frame = pl.DataFrame(
        {name: [(i + k) % 9 / 40 for i in range(count)] for k, name in enumerate(EXPRESSIONS)}
    ).with_columns(pl.col("^.*$").cast(pl.Float32))
    query = parse("pct(affect('Terrified')) > 80 and affect('terrified') > 0", frame.schema)
    assert "fear" in query.reads
    made = prepare([query], frame)
    score = made["affect('terrified')"]
    assert score.is_between(0, 1).all()
    assert made["pct(affect('Terrified'))"].arg_max() == score.arg_max()


def test_a_word_that_the_lexicon_lacks() -> None:
    error = failure("affect('terified') > .5")
    assert "did you mean `terrified`" in error.message
    assert underlined(error) == "affect('terified')"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("fear > .6 and temprature > 60", "temprature", "did you mean `temperature`"),
        ("FEAR > .6", "FEAR", "did you mean `fear`"),
        ("abz(yaw) < 3", "abz", "did you mean `abs`"),
        ("percentile(yaw) > 3", "percentile", "did you mean `pct`"),
        ("expression = 'happy'", "'happy'", "did you mean 'happiness'"),
        ("expression in ('anger', 'hapiness')", "'hapiness'", "did you mean 'happiness'"),
        ("'hott' = band", "'hott'", "did you mean 'hot'"),
        ("expression = happiness", "happiness", "single quotes: 'happiness'"),
        ('expression = "happiness"', '"happiness"', "single quotes: 'happiness'"),
        ("expression = joyful", "joyful", "single quotes: 'joyful'"),
        ('prompt = "joyful"', '"joyful"', "single quotes: 'joyful'"),
        ("affect(wistful) > 1", "wistful", "single quotes: 'wistful'"),
        ("hot", "hot", "band = 'hot'"),
        ("expression = 'hap", "'hap", "not closed"),
        ("(fear > .6 and (yaw < 3", "(", "not closed"),
        ("fear > .6)", ")", "never opened"),
        ("expression > .5", ".5", "cannot be compared"),
        ("fear > '.6'", "'.6'", "without quotes: .6"),
        ("temperature + 3", "temperature + 3", "a number, not a condition"),
        ("'x'", "'x'", "a word, not a condition"),
        ("abs(expression) > 3", "expression", "takes a number"),
        ("fear and yaw > 3", "fear", "joins a condition"),
        ("20 < yaw < 30", "<", "yaw between 20 and 30"),
        ("20 > yaw > 3", ">", "20 > yaw and yaw > 3"),
        ("fear > .6 temperature > 60", "temperature", "`and` or `or`"),
        ("fear .6", ".6", "fear > .6"),
        ("fear && anger", "&", "write and"),
        ("fear = null", "null", "fear is null"),
        ("fear > 20px", "20p", "no number"),
        ("fear > 1 is null", "is", "parentheses"),
        ("landmarks > 1", "landmarks", "neither numbers nor words"),
        ("abs(yaw, 3) > 1", "abs", "takes one argument"),
        ("fear > 1 and", "", "something is missing"),
        ("fear > 1e999", "1e999", "too large"),
    ],
)
def test_an_error_points_at_the_place_and_suggests(text: str, place: str, said: str) -> None:
    error = failure(text)
    assert underlined(error) == place
    assert said in f"{error.message} {error.hint}"


def test_a_column_that_this_set_lacks_says_who_fills_it() -> None:
    lacking = {name: dtype for name, dtype in ALL.items() if name != "gaze_yaw"}
    with pytest.raises(QueryError, match="the scorer `libreface` fills it") as caught:
        parse("gaze_yaw > 3", lacking)
    assert caught.value.hint == "curate score SOURCE --scorers mesh,quality,libreface"


@pytest.mark.parametrize(
    "text",
    [
        "select 1", "(select 1) > 0", "fear in (select 1)", "exists (select 1)", "1; drop table faces", "fear > 1 -- x",
        "fear /* x */ > 1", "cast(fear as int) > 1", "fear::int > 1", "read_csv('/etc/passwd') is null", "fear[1] > 1",
        "fear || 'x' = 'y'", "sum(fear) > 1", "faces.fear > 1", "* > 1", '"^.*$" > 1', "count(*) > 1",
        "fear over () > 1",
        "prompt rlike 'x'", "fear > ?", "$1 > 2", "columns('x') > 1", "{fear: 1} is null", "interval '1' day is null",
        "fear > 1 limit 3", "date '2020-01-01' is null", "fear > 1\x00", "@x > 1", "fear > any (1)",
    ],
)  # fmt: skip
def test_nothing_but_expressions_on_columns_is_let_in(text: str) -> None:
    assert failure(text).position is not None


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "true" + ")" * 5000,
        "not " * 2000 + "true",
        "- " * 3000 + "fear > 1",
        "abs(" * 2000 + "fear" + ")" * 2000 + " > 1",
        "case when true then " * 400 + "1" + " end" * 400 + " > 1",
        "case " * 100 + "fear" + " when 1 then 1 when 2 then 2 when 3 then 3 end" * 100 + " = 1",
        "case " * 12 + "fear" + " when 1 then 1 when 2 then 2 when 3 then 3 end" * 12 + " = 1",
        "fear > 1 and " * 1000,
        "fear" + "+0" * 4000 + " > .6",
    ],
)
def test_what_is_too_deep_or_too_large_is_an_error(text: str) -> None:
    failure(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 39 + "fear > .6" + ")" * 39,
        "abs(" * 35 + "fear" + ")" * 35 + " > .6",
        "fear > .6" + " and fear > .6" * 700,
        "fear" + "+0" * 200 + " > .6",
        "not not not not fear > .6",
        "fear - - - - 0 > .6",
    ],
)
def test_long_and_deep_within_the_limits_works(text: str) -> None:
    assert rows(text) == [1]


def test_lists_and_orders() -> None:
    queries = parse_list("image, pct(fear), least(fear, yaw)", ALL)
    assert [(name, query.kind) for name, query in queries.items()] == [
        ("image", "word"), ("pct(fear)", "number"), ("least(fear, yaw)", "number")
    ]  # fmt: skip
    order = parse_order("abs(yaw) DESC", ALL)
    assert order.descending
    assert order.by.reads == {"yaw"}
    assert not parse_order("yaw", ALL).descending
    assert failure("image, ", parse_list).position == 6
    assert underlined(failure("yw desc", parse_order)) == "yw"


def test_an_error_survives_the_way_between_processes() -> None:
    error = failure("temprature > 60")
    same = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(same), same.hint, same.query, same.position, same.length) == (
        str(error), error.hint, "temprature > 60", 0, 10,
    )  # fmt: skip


# Random expressions, as text that Polars' SQL reads as well. Numbers are halves, so that both ways of reading a
# decimal give the same; nothing overflows 64 bits.
NUMBERS = pl.DataFrame(
    {
        "a": [0.5, -1.5, None, 2.0, 0.0, 3.5],
        "b": [1.0, 2.5, 0.5, None, -2.0, 0.5],
        "i": [1, -2, 3, None, 5, 0],
        "w": ["x", "y", None, "it's", "", "xy"],
        "c": [True, False, None, True, False, True],
    }
)
number_atoms = st.sampled_from(["a", "b", "i", "1", "2.5", ".5", "3", "0"])
word_atoms = st.sampled_from(["w", "'x'", "'it''s'", "lower(w)"])


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("- {}".format),
        inner.map("abs({})".format),
        st.tuples(inner, inner).map(lambda pair: f"greatest({pair[0]}, {pair[1]})"),
    )


numbers = st.recursive(number_atoms, _numbers, max_leaves=5)
comparison = st.one_of(
    st.tuples(numbers, st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "!="]), numbers).map(" ".join),
    st.tuples(word_atoms, st.sampled_from(["=", "<>", "<"]), word_atoms).map(" ".join),
    st.tuples(numbers, st.sampled_from(["between", "not between"]), numbers, st.just("and"), numbers).map(
        " ".join
    ),
    st.tuples(numbers, st.sampled_from(["is null", "is not null", "in (1, .5)", "not in (0)"])).map(" ".join),
    st.tuples(word_atoms, st.sampled_from(["like 'x%'", "not like '%y'", "in ('x', 'y')"])).map(" ".join),
    st.just("c"),
)


def _conditions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "AND"]), inner).map(" ".join),
        inner.map("not {}".format),
        inner.map("({})".format),
        inner.map("case when {} then true else c end".format),
    )


@settings(max_examples=300, deadline=None)
@given(st.recursive(comparison, _conditions, max_leaves=5))
def test_a_query_means_what_it_means_to_polars(text: str) -> None:
    expected = NUMBERS.with_columns(x=pl.sql_expr(text))["x"]
    assert value(text, NUMBERS) == expected.to_list()


PIECES = [
    "fear", "yaw", "prompt", "expression", "smiles", "seed", "tag", "'fear'", "'", '"', '"fear"', "(", ")", ",", "+",
    "-", "*", "/", "%", "=", "<", ">=", "<>", "and", "or", "not", "in", "between", "like", "is", "null", "case", "when",
    "then", "else", "end", "true", ".5", "3", "1e9", "99999999999999999999", "abs", "pct(", "z(", "affect(", "round(",
    "coalesce(", "power(", "select", ";", "--", "length(", "strpos(", "greatest(", "\x00", "é", ".", "\n",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join)))
def test_any_text_is_a_query_or_a_query_error(text: str) -> None:
    try:
        query = parse(text, FACES.schema)
    except QueryError:
        return
    assert query.reads <= set(FACES.columns)
    assert evaluate([query], FACES).width == 1
