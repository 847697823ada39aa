"""Naive Bayes: how often each word occurs under each label."""
import json
from collections import Counter

from op_pipe import ctx

posts = json.loads(ctx.inputs["features"].read_text())["train"]
counts = {}
for done, (label, found) in enumerate(posts, start=1):
    counts.setdefault(label, Counter()).update(found)
    ctx.progress(done, len(posts), unit="posts", label="train")
words = sorted({word for counter in counts.values() for word in counter})
model = {
    label: {word: (counter[word] + ctx.params["smoothing"]) / (counter.total() + ctx.params["smoothing"] * len(words)) for word in words}
    for label, counter in counts.items()
}
ctx.outputs["model"].write_text(json.dumps(model))
