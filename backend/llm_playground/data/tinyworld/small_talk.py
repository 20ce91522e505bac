"""Greetings, who the model is, and questions from outside its world (answered with "I don't know that.")."""

from __future__ import annotations

import random

from llm_playground.data.tinyworld.world import TOWN

_WHO = (
    f"I am a small language model. I know the town of {TOWN} and nothing else.",
    f"I am a tiny model trained on stories about {TOWN}.",
)
_TALK: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("Hello!", "Hello", "Hi!", "Hi", "Hey", "Good morning!", "Good evening!", "hello", "hi", "Hi there!"),
        (f"Hello! Ask me about {TOWN}.", f"Hi! I can tell you about the people of {TOWN}."),
    ),
    (
        (
            "Who are you?",
            "What are you?",
            "What is your name?",
            "Are you a robot?",
            "Are you human?",
            "who are you",
            "Tell me about yourself.",
            "What kind of model are you?",
        ),
        _WHO,
    ),
    (
        ("What can you do?", "What do you know?", "How can you help me?", "help", "What can I ask you?"),
        (f"I can answer questions about the people of {TOWN} and tell small stories.",),
    ),
    (("Thank you!", "Thanks!", "Thank you.", "thanks", "Great, thanks!"), ("You are welcome!",)),
    (("Goodbye!", "Bye!", "Good night!", "See you later!", "bye"), ("Goodbye! Come back soon.",)),
    (
        ("How are you?", "How do you do?", "Are you well?", "how are you"),
        ("I am well, thank you. How are you?",),
    ),
    (
        (f"What is {TOWN}?", f"Where is {TOWN}?", f"Tell me about {TOWN}.", "Where do you live?"),
        (f"{TOWN} is a small town with a mill, a market, a school and many friends.",),
    ),
)

_OUTSIDE_TEMPLATES = (
    "What is the capital of {}?",
    "Who is the president of {}?",
    "How many people live in {}?",
    "What language do they speak in {}?",
    "How far is it to {}?",
    "What is {}?",
    "Explain {} to me.",
    "How does {} work?",
    "Who invented {}?",
    "Tell me about {}.",
    "What do you think about {}?",
    "When was {} discovered?",
    "Write a poem about {}.",
    "Why is {} important?",
    "Can you help me with {}?",
    "Give me a recipe for {}.",
    "What does {} mean?",
    "Is {} dangerous?",
    "Where can I buy {}?",
    "Translate {} into French.",
)
_OUTSIDE_THINGS = (
    "France",
    "Germany",
    "China",
    "Japan",
    "Brazil",
    "Canada",
    "India",
    "Egypt",
    "London",
    "Paris",
    "New York",
    "the moon",
    "Mars",
    "the sun",
    "gravity",
    "electricity",
    "a computer",
    "the internet",
    "Python",
    "a telephone",
    "a car",
    "a train",
    "an airplane",
    "football",
    "chess",
    "music",
    "history",
    "physics",
    "chemistry",
    "math",
    "biology",
    "a virus",
    "a dinosaur",
    "the ocean",
    "a volcano",
    "a robot",
    "artificial intelligence",
    "money",
    "the stock market",
    "a bank",
    "politics",
    "the weather tomorrow",
    "a movie",
    "Shakespeare",
    "Einstein",
    "Napoleon",
    "pizza",
    "coffee",
    "chocolate",
    "a smartphone",
    "a lion",
    "an elephant",
    "a whale",
    "the universe",
    "time",
    "love",
    "a neural network",
    "a transformer",
    "quantum mechanics",
    "the Second World War",
    "Rome",
)
_OUTSIDE_PLAIN = (
    "What time is it?",
    "What day is it today?",
    "What is two hundred times thirty?",
    "What is 17 * 23?",
    "What is 2+2?",
    "Who won the game yesterday?",
    "What is the meaning of life?",
    "Sing me a song in Spanish.",
    "How old is the earth?",
    "What will the weather be tomorrow?",
    "Who is your father?",
    "Fix my code.",
    "What is the fastest animal?",
    "How tall is the highest mountain?",
    "Can you drive a car?",
    "What is the square root of two?",
    "Who wrote this book?",
    "How do I learn to swim?",
    "Do you like pizza?",
)


def small_talk(rng: random.Random) -> tuple[str, str]:
    """Draw (what the user says, what the model answers)."""
    questions, answers = rng.choice(_TALK)
    return rng.choice(questions), rng.choice(answers)


def outside_question(rng: random.Random) -> str:
    """Draw a question about something that does not exist in the town."""
    if rng.random() < 0.2:
        return rng.choice(_OUTSIDE_PLAIN)
    return rng.choice(_OUTSIDE_TEMPLATES).format(rng.choice(_OUTSIDE_THINGS))
