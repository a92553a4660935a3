"""One little world of talks, written in every format that a corpus may have."""

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple


class Talk(NamedTuple):
    """Who says what; `said` holds (speaker, text)."""

    speakers: tuple[str, str]
    said: list[tuple[str, str]]


FOODS = ("soup", "rice", "пирог", "寿司", "cake 🎂", "tacos", "crème brûlée", "bread")


def persona(person: str) -> list[str]:
    return [f"i am {person}.", f"{person} likes {food(person)}.", f"{person} lives by the sea."]


def food(person: str) -> str:
    return FOODS[int(person.removeprefix("p")) % len(FOODS)]


def world(pairs: int = 8, talks: int = 3, turns: int = 7) -> list[Talk]:
    """Pairs of people who talk several times; every text is said once."""
    made = []
    for pair in range(pairs):
        one, other = f"p{2 * pair}", f"p{2 * pair + 1}"
        for talk in range(talks):
            said = []
            for turn in range(turns):
                said.append((one, f"{one} asks {talk} {turn} about {food(other)} ?"))
                said.append((other, f"{other} says {food(other)} is good , {talk} {turn} ."))
            made.append(Talk((one, other), said))
    return made


def messages(talk: Talk, person: str) -> list[dict[str, str]]:
    return [
        {"role": "assistant" if speaker == person else "user", "content": text}
        for speaker, text in talk.said
    ]


def sides(talks: list[Talk]) -> list[tuple[str, Talk]]:
    return [(person, talk) for talk in talks for person in talk.speakers]


def dumped(record: object) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def as_messages(talks: list[Talk], folder: Path) -> Path:
    path = folder / "own.jsonl"
    lines = (
        dumped({"person": p, "persona": persona(p), "messages": messages(t, p)})
        for p, t in sides(talks)
    )
    path.write_text("".join(lines), encoding="utf-8")
    return path


def as_sharegpt(talks: list[Talk], folder: Path) -> Path:
    path = folder / "sharegpt.json"
    names = {"assistant": "gpt", "user": "human"}
    records = [
        {
            "id": f"c{number}",
            "system": " ".join(persona(person)),
            "conversations": [
                {"from": names[m["role"]], "value": m["content"]} for m in messages(talk, person)
            ],
        }
        for number, (person, talk) in enumerate(sides(talks))
    ]
    path.write_text(json.dumps(records, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def text_lines(person: str, talk: Talk, layout: str = "self") -> str:
    other = next(name for name in talk.speakers if name != person)
    lines = []
    if layout in ("self", "both"):
        lines += [f"your persona: {sentence}" for sentence in persona(person)]
    if layout in ("other", "both"):
        lines += [f"partner's persona: {sentence}" for sentence in persona(other)]
    partner = "__SILENCE__"
    for speaker, text in talk.said:
        if speaker == person:
            lines.append(f"{partner}\t{text}")
        partner = text
    return "".join(f"{number} {line}\n" for number, line in enumerate(lines, start=1))


def as_personachat_text(talks: list[Talk], folder: Path, layout: str = "both") -> Path:
    path = folder / f"all_{layout}_revised_no_cands.txt"
    path.write_text("".join(text_lines(t.speakers[1], t, layout) for t in talks), encoding="utf-8")
    return path


def as_hub_json(talks: list[Talk], folder: Path) -> Path:
    path = folder / "personachat_self_original.json"
    records = []
    for person, talk in sides(talks):
        utterances, history = [], []
        for speaker, text in talk.said:
            if speaker == person:
                offered = [f"no {number}" for number in range(19)]
                utterances.append({"candidates": [*offered, text], "history": [*history]})
            history.append(text)
        if utterances[0]["history"] == []:
            for utterance in utterances:
                utterance["history"] = ["__ SILENCE __", *utterance["history"]]
        records.append({"personality": persona(person), "utterances": utterances})
    path.write_text(json.dumps({"train": records}, ensure_ascii=False), encoding="utf-8")
    return path


def as_synthetic_persona_chat(talks: list[Talk], folder: Path) -> Path:
    path = folder / "Synthetic-Persona-Chat.csv"
    table = io.StringIO(newline="")
    rows = csv.writer(table)
    rows.writerow(["user 1 personas", "user 2 personas", "Best Generated Conversation"])
    for talk in talks:
        numbers = {name: number for number, name in enumerate(talk.speakers, start=1)}
        said = "\n".join(f"User {numbers[speaker]}: {text}" for speaker, text in talk.said)
        rows.writerow(["\n".join(persona(name)) for name in talk.speakers] + [said])
    path.write_text(table.getvalue(), encoding="utf-8", newline="")
    return path


def as_convokit(talks: list[Talk], folder: Path) -> Path:
    path = folder / "utterances.jsonl"
    lines = []
    for number, talk in enumerate(talks):
        before = None
        for place, (speaker, text) in enumerate(talk.said):
            own = f"u{number}.{place}"
            record = {"id": own, "conversation_id": f"u{number}.0", "speaker": speaker}
            lines.append(dumped(record | {"text": text, "reply-to": before, "meta": {}}))
            before = own
    path.write_text("".join(lines), encoding="utf-8")
    return path


def as_messenger(talks: list[Talk], folder: Path) -> Path:
    """One log for each pair; a talk begins a day after the one before."""
    logs: dict[tuple[str, str], list[str]] = {}
    for number, talk in enumerate(talks):
        when = datetime(2024, 1, 20, 18, 30) + timedelta(days=number)
        log = logs.setdefault(talk.speakers, ["[20/01/2024, 18:00:00] Messages are encrypted\n"])
        for place, (speaker, text) in enumerate(talk.said):
            stamp = (when + timedelta(minutes=place)).strftime("%d/%m/%Y, %H:%M:%S")
            log.append(f"[{stamp}] {speaker}: {text}\n")
    place = folder / "chats"
    place.mkdir()
    for (one, other), log in logs.items():
        (place / f"chat {one} {other}.txt").write_text("".join(log), encoding="utf-8")
    return place


FORMATS: dict[str, Callable[[list[Talk], Path], Path]] = {
    "JSON Lines of person and messages": as_messages,
    "ShareGPT's conversations": as_sharegpt,
    "the hub's JSON of Persona-chat": as_hub_json,
    "ConvoKit's utterances": as_convokit,
    "Synthetic-Persona-Chat's CSV": as_synthetic_persona_chat,
    "Persona-chat's text": as_personachat_text,
    "messenger log": as_messenger,
}
