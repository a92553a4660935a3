"""The phrases of the synthetic world: small words, fillers, greetings, registers."""

from dataclasses import dataclass


SYMBOLS = {
    "love": ("love", "like", "enjoy", "adore", "prefer"),
    "great": ("great", "nice", "cool", "wonderful", "lovely", "neat", "sweet", "perfect", "fine"),
    "very": ("very", "so", "really", "super", "pretty", "quite"),
}
OPENERS = (
    "well", "oh", "haha", "honestly", "hmm", "lol", "actually", "yeah", "okay", "wow", "so",
    "to be honest", "oh boy", "ah", "i mean", "right", "gosh", "yes sir", "look", "sure",
)  # fmt: skip
CLOSERS = (
    "you know", "lol", "haha", "my friend", "for sure", "i guess", "no joke", "i suppose",
    "believe me", "as always", "thank goodness", "or so they say", "dear", "buddy", "of course",
    "at least", "god bless", "hehe",
)  # fmt: skip
GREETINGS = (
    "hi", "hello", "hey", "hi there", "hey there", "good morning", "good evening", "howdy",
    "greetings", "yo", "hello friend", "what is up", "hiya", "good day",
)  # fmt: skip
MOODS = (
    "i am good", "i am fine", "i am tired", "i am doing {great}", "i am {very} happy today",
    "i am a little sick", "i can not complain", "i am bored", "i just woke up",
    "i just got home", "i am {very} sleepy", "not bad at all", "life is {great}",
    "i am relaxing", "it has been a long day", "i am {very} stressed",
)  # fmt: skip
HOW_ARE_YOU = (
    "how are you ?", "how are you today ?", "how is it going ?", "how was your day ?",
    "how are you doing ?", "what are you up to ?",
)  # fmt: skip
ERRANDS = (
    "go to bed", "cook dinner", "walk the dog", "go to work", "pick up my kids", "do laundry",
    "catch a train", "feed the cats", "call my mom", "clean the house", "study", "take a bath",
    "buy milk", "mow the lawn",
)  # fmt: skip
LEAVE = ("i have to {errand}", "i must {errand} now", "i should {errand}", "time to {errand}")
FAREWELLS = (
    "bye", "goodbye", "take care", "see you", "have a {great} day", "talk to you later",
    "good night", "until next time", "so long", "be well", "stay safe", "peace out",
    "sweet dreams", "cheers",
)  # fmt: skip
PLEASED = (
    "it was {great} to talk to you", "{great} talking to you", "thanks for the chat",
    "you are {very} {great}", "i had a {great} time", "this was {great}", "you made my day",
)  # fmt: skip
REACTIONS = (
    "that is {great}", "that sounds {great}", "how {great}", "that is {very} {great}",
    "sounds {great} to me", "i {love} that",
)  # fmt: skip
ECHOES = ("{heard} ? {great}", "{heard} sounds {great}", "{great} , {heard}")
SAME = ("me too", "same here", "that is like me", "we have that in common")
ASK_BACK = ("what about you ?", "and you ?", "how about you ?", "you ?", "do tell me yours ?")
CODE_WORDS = (
    "red", "blue", "green", "yellow", "purple", "orange", "pink", "black", "white", "brown",
    "gray", "gold", "coffee", "tea", "milk", "beer",
)  # fmt: skip
JOINS = (" and ", " , ", " . ")


@dataclass(frozen=True)
class Register:
    """A person's manner of speaking, as probabilities."""

    opener: float
    closer: float
    detail: float
    more: float  # of a second statement or a question, if no detail was given
    bang: float  # " !" instead of " ."


REGISTERS = {
    "terse": Register(opener=0.3, closer=0.15, detail=0.05, more=0.3, bang=0.03),
    "chatty": Register(opener=0.55, closer=0.3, detail=0.3, more=0.65, bang=0.1),
    "polite": Register(opener=0.4, closer=0.5, detail=0.1, more=0.5, bang=0.03),
    "exclaiming": Register(opener=0.5, closer=0.25, detail=0.1, more=0.5, bang=0.93),
}
