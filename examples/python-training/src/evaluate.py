"""How many of the posts to test with get their label."""
import json
import math

from op_pipe import ctx

model = json.loads(ctx.inputs["model"].read_text())
posts = json.loads(ctx.inputs["features"].read_text())["test"]


def guess(found):
    return max(sorted(model), key=lambda label: sum(math.log(model[label].get(word, 1e-9)) for word in found))


right = sum(guess(found) == label for label, found in posts)
ctx.outputs["scores"].write_text(json.dumps({"accuracy": right / len(posts), "posts": len(posts)}))
