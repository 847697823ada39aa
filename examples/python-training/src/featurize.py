"""Counts the words of each post that are frequent in those to train with."""
import json
from collections import Counter

from lib.text import words
from op_pipe import ctx

parts = json.loads(ctx.inputs["parts"].read_text())
found = Counter(word for _, text in parts["train"] for word in words(text, ctx.params["ngrams"]))
kept = {word for word, _ in found.most_common(ctx.params["max_features"])}
features = {
    part: [[label, sorted(word for word in words(text, ctx.params["ngrams"]) if word in kept)] for label, text in posts]
    for part, posts in parts.items()
}
ctx.outputs["features"].write_text(json.dumps(features))
