"""Section `p2bot`: P² Bot's receiver and self-play."""

from typing import Annotated

from pydantic import Field

from pipeline.params.sections.section import Count, Positive, Section, Weight
from pipeline.params.sections.training import Loop


class ReceiverTraining(Loop):
    """P² Bot's receiver: persona sentences told from a stranger's by what was said."""

    lr: Positive
    batch_size: Count  # dialogues
    steps: Count
    negatives: Count  # strangers' personas per dialogue in training
    valid_negatives: Count  # and in validation
    margin: Positive
    sparsity: Weight  # weight of the mean |M|
    tau_start: Positive  # sharpness of the softmax over sentences at first, and its increment
    tau_examples: Count  # dialogues from one increment to the next
    tau_max: Positive


class SelfPlay(Loop):
    """P² Bot's self-play: policy gradient on four rewards."""

    lr: Positive
    steps: Count  # episodes, supervised ones included
    turns: Count  # utterances of each side
    rollouts: Annotated[int, Field(ge=2)]  # of the same meeting; their mean is the baseline
    valid_meetings: Count  # fixed meetings of valid personas
    max_new_tokens: Count  # of an utterance, closing token included
    top_k: Count  # the learning side samples among so many tokens
    temperature: Positive
    no_repeat_ngram: Count  # no n-gram twice in an utterance
    gamma: Annotated[float, Field(ge=0, le=1)]  # discount of the persona reward's returns
    language: Weight  # weights of the rewards
    coherence: Weight  # idle where the variant predicts no next utterance
    persona: Weight
    penalty: Weight
    supervised_probability: Annotated[float, Field(ge=0, le=1)]  # an episode is a supervised step
    supervised_batch_size: Count  # replies


class P2Bot(Section):
    """Both of P² Bot's sections; each of its two stages reads one of them."""

    receiver: ReceiverTraining
    self_play: SelfPlay
