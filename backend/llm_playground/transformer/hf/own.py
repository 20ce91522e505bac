"""Our own type in ``config.json``, for configurations that no family of ``transformers`` has."""

# What model -> the class that :mod:`llm_playground.transformer.hf.auto` registers for it.
OWN_ARCHITECTURES = {
    "decoder": "LLMPlaygroundForCausalLM",
    "encoder": "LLMPlaygroundForMaskedLM",
    "encoder-decoder": "LLMPlaygroundForConditionalGeneration",
}
