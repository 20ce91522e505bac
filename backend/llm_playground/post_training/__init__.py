"""From a base model to an assistant: supervised fine-tuning."""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__, {"AnswerTokens": "sft", "ConversationBatches": "sft", "SFTConfig": "sft"}
)
