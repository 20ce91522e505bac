"""LLM Playground: a language model's whole life, from raw text to a chat reply, on an ordinary computer."""

__version__ = "0.1.0"
