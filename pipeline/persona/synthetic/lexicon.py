"""The topics that people of the synthetic world talk about, and a person's possible facts.

`{v}` is the person's value; other names in braces are symbols of `phrases.SYMBOLS`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """A topic, on which each person has one value.

    `persona` holds the forms of the topic's sentence in a persona text; it is empty if persona
    texts never state the topic. `detail` holds second, smaller facts; each person prefers one.
    """

    name: str
    values: tuple[str, ...]
    persona: tuple[str, ...]
    ask: tuple[str, ...]
    tell: tuple[str, ...]
    detail: tuple[str, ...]
    react: tuple[str, ...]


def _topic(name: str, values: str, **texts: str) -> Topic:
    """Build a topic; alternatives are separated by a bar."""
    split = {
        key: tuple(part.strip() for part in text.split("|")) if text else ()
        for key, text in texts.items()
    }
    return Topic(name, tuple(part.strip() for part in values.split("|")), **split)


TOPICS = (
    _topic(
        "work",
        "a nurse|a teacher|a cook|a farmer|a painter|a lawyer|a dentist|a barber|a writer|a pilot|"
        "a baker|a plumber|a waiter|a driver|a banker|a tailor|a model|a soldier|a coach|a clerk",
        persona="i work as {v}.|i am {v}.|i earn my money as {v}.",
        ask="what do you do for work ?|what is your job ?|do you have a job ?|where do you work ?",
        tell="i am {v}|i work as {v}|i earn my money as {v}|they pay me to be {v}",
        detail="the hours are long|i started last year|my boss is kind|it pays the bills",
        react="that is hard work|you must be busy|i could never do that job",
    ),
    _topic(
        "family",
        "a son|two sons|a daughter|two daughters|three children|four children|twin boys|twin girls|"
        "a wife|a husband|five sisters|six cousins|a big family|no children|a baby|nine cousins|"
        "an aunt|an uncle|a grandson|a niece",
        persona="i have {v}.|my family is me and {v}.|i love having {v}.",
        ask="do you have any family ?|tell me about your family ?|do you have kids ?|"
        "who is in your family ?",
        tell="i have {v}|at home i have {v}|there is me and {v}|i am lucky to have {v}",
        detail="we eat together on sundays|we fight a lot|we live close by|we call every day",
        react="family is everything|family is hard sometimes|i want a family like that",
    ),
    _topic(
        "home",
        "a small house|a big house|a farm|an old house|a trailer|a cabin|a castle|a studio|a boat|"
        "the city|the woods|the desert|the mountains|the suburbs|the country|a village|a tower|"
        "a dorm|a basement|an attic",
        persona="i live in {v}.|my home is in {v}.|i just moved to {v}.",
        ask="where do you live ?|what is your home like ?|do you like where you live ?|"
        "do you live in a house ?",
        tell="i live in {v}|my place is in {v}|i just moved to {v}|home for me is {v}",
        detail="it is quiet there|the rent is cheap|it is near the lake|the neighbors are loud",
        react="i would like to live there|that must be quiet|i bet it is pretty there",
    ),
    _topic(
        "pets",
        "a dog|two dogs|three dogs|a cat|two cats|three cats|a horse|a parrot|a turtle|a rabbit|"
        "a snake|a goat|two hamsters|a lizard|a pig|chickens|a fish|two birds|a puppy|a kitten",
        persona="i have {v} at home.|i own {v}.|my best friend is {v}.",
        ask="do you have any pets ?|do you like animals ?|have you got a pet ?|any pets ?",
        tell="i own {v}|i have {v} at home|i take care of {v}|i share my bed with {v}",
        detail="the fur is everywhere|the vet costs a lot|i found them|they wake me early",
        react="i {love} animals|i am scared of those|i bet they are cute",
    ),
    _topic(
        "food",
        "pizza|pasta|tacos|sushi|steak|salad|soup|cheese|chicken|ice cream|chocolate|rice|bacon|"
        "burgers|curry|cookies|shrimp|apples|pancakes|mexican food",
        persona="my favorite food is {v}.|i love to eat {v}.|i could eat {v} all day.",
        ask="what is your favorite food ?|what do you like to eat ?|do you cook ?|are you hungry ?",
        tell="i could eat {v} all day|my favorite food is {v}|i {love} to eat {v}|i buy {v} a lot",
        detail="my mom makes it well|i eat too much of it|i had it for lunch|i make my own",
        react="now i am hungry|i never tried that|that is so tasty",
    ),
    _topic(
        "hobby",
        "hiking|fishing|painting|swimming|running|reading|dancing|gardening|sewing|hunting|surfing|"
        "knitting|chess|yoga|bowling|camping|skiing|golf|video games|cycling",
        persona="i enjoy {v}.|in my free time i like {v}.|my hobby is {v}.",
        ask="what do you do for fun ?|do you have any hobbies ?|what are your hobbies ?|"
        "what do you do in your free time ?",
        tell="i {love} {v}|in my free time it is {v}|{v} is my hobby|i am into {v}",
        detail="i do it with friends|i am not good at it|i go every weekend|it calms me down",
        react="i tried that once|i want to learn that|that takes time",
    ),
    _topic(
        "music",
        "jazz|rock|country music|rap|metal|opera|blues|punk|folk songs|disco|reggae|techno|"
        "the beatles|queen|elvis|madonna|the piano|the guitar|the drums|the violin",
        persona="i listen to {v}.|i am a fan of {v}.|nothing beats {v}.",
        ask="what music do you like ?|do you like music ?|what do you listen to ?|"
        "who do you listen to ?",
        tell="i listen to {v}|i am a fan of {v}|nothing beats {v}|i {love} {v}",
        detail="i play it in the car|i sing along badly|i saw a show once|my dad played it",
        react="that is good music|i like other music|i can not sing at all",
    ),
    _topic(
        "plan",
        "travel to europe|buy a boat|write a book|run a marathon|learn french|open a shop|"
        "go to college|visit japan|get married|lose weight|build a house|become famous|"
        "see the ocean|adopt a child|start a band|plant trees|go to mars|retire early|"
        "learn to fly|visit africa",
        persona="i want to {v}.|one day i will {v}.|i hope to {v} soon.",
        ask="what are your plans ?|do you have any dreams ?|any plans for the future ?|"
        "what do you want to do next ?",
        tell="i want to {v}|one day i will {v}|i hope to {v}|my plan is to {v}",
        detail="i am saving money|my friends laugh at it|it scares me a bit|i need more time",
        react="good luck with that|that is a big plan|you should do it",
    ),
    _topic(
        "opinion",
        "phones|politics|cold weather|mornings|crowds|airplanes|vegans|ghosts|aliens|liars|"
        "spiders|school|mondays|rich people|tv shows|clowns|the news|hot weather|"
        "loud people|shopping",
        persona="i do not like {v}.|i can not stand {v}.|i am tired of {v}.",
        ask="is there anything you hate ?|what do you not like ?|what makes you mad ?|"
        "what can you not stand ?",
        tell="i do not like {v}|i can not stand {v}|i am tired of {v}|the worst thing is {v}",
        detail="i get angry fast|my wife laughs at me|i try not to show it|people say i am wrong",
        react="i feel the same way|it is not so bad|everybody is different",
    ),
    _topic(
        "color",
        "red|blue|green|yellow|purple|orange|pink|black|white|brown|gray|gold|silver|navy",
        persona="",
        ask="what is your favorite color ?|have you a favorite color ?|what color do you like ?",
        tell="my favorite color is {v}|i {love} {v}|i only wear {v}|the best color is {v}",
        detail="my walls have it|it suits me|half my clothes are|it makes me calm",
        react="that is a good color|i like another color",
    ),
    _topic(
        "town",
        "boston|texas|ohio|chicago|denver|florida|canada|london|maine|seattle|nevada|paris|"
        "alaska|detroit|utah|dallas",
        persona="",
        ask="where are you from ?|where did you grow up ?|are you from around here ?|"
        "which town are you from ?",
        tell="i am from {v}|i grew up in {v}|i was born in {v}|{v} is where i grew up",
        detail="i miss it|i left at ten|my parents are still there|it rains a lot",
        react="i was there once|i have never been there",
    ),
    _topic(
        "car",
        "a ford|a truck|a van|a jeep|a honda|a tesla|a bus|a bike|a scooter|a beetle|a toyota|"
        "a motorcycle|a camper|a volvo",
        persona="",
        ask="what car do you have ?|do you drive ?|how do you get around ?",
        tell="i drive {v}|i bought {v}|i get around in {v}|my ride is {v}",
        detail="it is old|it broke again|it was a gift|it is too fast",
        react="i do not drive|i used to have one",
    ),
    _topic(
        "brother",
        "tom|max|leo|sam|jack|mike|david|peter|henry|oscar|luke|adam|carl|frank|george|victor",
        persona="",
        ask="do you have a brother ?|any brothers ?|what is your brother called ?",
        tell="my brother is called {v}|i have a brother , {v}|{v} is my brother|"
        "i grew up with my brother {v}",
        detail="he is older than me|he is in the army|he lives abroad|he owes me money",
        react="that is a good name|i am an only child",
    ),
    _topic(
        "drink",
        "coffee|tea|milk|beer|wine|cola|water|juice|lemonade|whiskey|cocoa|rum|cider|soda",
        persona="",
        ask="what do you drink ?|coffee or tea ?|do you want a drink ?",
        tell="i always drink {v}|i need my {v}|give me {v} any day|i am drinking {v} now",
        detail="i take no sugar|i have three cups a day|it helps me think|i put ice in it",
        react="i never drink that|i could use some",
    ),
    _topic(
        "season",
        "summer|winter|spring|autumn|christmas|halloween|easter|july|october|december|may|june",
        persona="",
        ask="what is your favorite time of year ?|do you like the weather ?|summer or winter ?",
        tell="i {love} {v}|i wait for {v} all year|{v} is the best time|i am happiest around {v}",
        detail="the air smells good|my birthday is then|we decorate the house|i was married then",
        react="it is too hot for me|that is a nice time",
    ),
    _topic(
        "movie",
        "horror movies|comedies|star wars|cartoons|titanic|batman|westerns|war movies|jaws|"
        "documentaries|musicals|harry potter|rocky|frozen",
        persona="",
        ask="do you watch movies ?|what is your favorite movie ?|seen any good movies ?",
        tell="i watch {v}|i {love} {v}|i have seen {v} ten times|i always cry at {v}",
        detail="i eat popcorn|i sit in the dark|my cousin hates it|i know every line",
        react="i fell asleep in that|i prefer books",
    ),
    _topic(
        "body",
        "very tall|very short|left handed|going bald|almost blind|always cold|always late|"
        "very shy|allergic to nuts|a redhead|in a wheelchair|covered in tattoos|strong|clumsy",
        persona="",
        ask="what do you look like ?|how would you describe yourself ?|what are you like ?",
        tell="i am {v}|people know i am {v}|my friends say i am {v}|you should know i am {v}",
        detail="i was born that way|it is a long story|i do not mind|kids stare at me",
        react="so is my sister|i would never guess",
    ),
)
BY_NAME = {topic.name: topic for topic in TOPICS}
STATED = tuple(topic.name for topic in TOPICS if topic.persona)
