"""Hooks that the runs hand to the training engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llm_playground.core.config import StageConfig
from llm_playground.core.seeds import derive_seed

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context, StepHook, StepState


class SampleHook:
    """Lets the model write as it learns: one ``sample`` event for each prompt.

    Args:
        every: steps between samples; the first and the last step are always among them.
        prompts: what to go on from; for a chat model, what to ask. Empty: one free text.
        chat: ask through the chat template.
        max_tokens: longest sample.
        temperature: of the sampling.
    """

    def __init__(
        self,
        every: int,
        prompts: Sequence[str] = (),
        *,
        chat: bool = False,
        max_tokens: int = 60,
        temperature: float = 0.7,
    ) -> None:
        self.every = every
        self.prompts = tuple(prompts) or (("Hello!",) if chat else ("",))
        self.chat = chat
        self.max_tokens = max_tokens
        self.temperature = temperature

    def wants(self, step: int, total_steps: int) -> bool:
        """Say whether this step is sampled."""
        return self.every > 0 and (step % self.every == 0 or step == total_steps)

    def __call__(self, state: StepState, context: Context) -> None:
        """Write the samples; their random numbers depend on (seed, step, prompt) alone."""
        from llm_playground.generation import GenerationEngine, SamplingParams, stream_text
        from llm_playground.tokenization.chat import encode_chat

        tokenizer = state.tokenizer
        engine = GenerationEngine(state.model)
        ends = (tokenizer.eos_id, tokenizer.special_tokens.get("<|im_end|>"))
        for number, prompt in enumerate(self.prompts):
            if self.chat:
                messages = [{"role": "user", "content": prompt}]
                ids = encode_chat(tokenizer, messages, add_generation_prompt=True).ids
            else:
                start = [tokenizer.eos_id] if tokenizer.eos_id is not None else []
                ids = [*start, *tokenizer.encode_ordinary(prompt)] or [0]
            params = SamplingParams(
                temperature=self.temperature,
                top_k=50,
                max_tokens=self.max_tokens,
                seed=derive_seed(context.seed, "sample", state.step, number),
                stop_ids=tuple(token for token in ends if token is not None),
            )
            text = "".join(event.text for event in stream_text(engine, tokenizer, ids, params))
            context.event(
                "sample",
                {
                    "step": state.step,
                    "stage": state.stage,
                    "prompt": prompt,
                    "text": text,
                    "chat": self.chat,
                },
            )


def hooks_for(stage: str, config: StageConfig) -> list[StepHook]:
    """Return the hooks that a stage's configuration asks for."""
    training: Any = getattr(config, "training", None)
    if training is None or not training.sample_every:
        return []
    return [SampleHook(training.sample_every, training.sample_prompts, chat=stage == "sft")]
