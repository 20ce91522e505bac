"""Looking into a model at work: attention, every step, the logit lens, attribution, patching.

All functions take a model and token ids, know no text, and leave the model as it was.
"""

from llm_playground.core.lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Attribution": "attribution",
        "AttentionMaps": "attention_maps",
        "Definition": "pattern_definitions",
        "Explanation": "explain",
        "HeadPattern": "attention_patterns",
        "HeadReport": "head_report",
        "Intervention": "patching",
        "LogitLens": "layer_readings",
        "PatchResult": "patching",
        "PatternMeter": "attention_patterns",
        "Recording": "recording",
        "Sweep": "patch_sweep",
        "Thumbnails": "attention_maps",
        "Trace": "trace",
        "analyze_heads": "head_report",
        "attention_map": "attention_maps",
        "attribute_logit": "attribution",
        "definitions": "pattern_definitions",
        "explain_value": "explain",
        "logit_lens": "layer_readings",
        "patch": "patching",
        "record": "recording",
        "record_attention": "attention_maps",
        "rollout": "attention_maps",
        "sweep": "patch_sweep",
        "thumbnails": "attention_maps",
        "tile": "attention_maps",
        "trace_token": "trace",
    },
)
