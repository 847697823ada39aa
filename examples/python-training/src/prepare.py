"""Splits posts into those to train with and those to test with."""
import json
import random

from op_pipe import ctx

posts = [line.split("\t") for line in ctx.inputs["posts"].read_text().splitlines()]
random.Random(ctx.params["seed"]).shuffle(posts)
cut = round(len(posts) * ctx.params["split"])
ctx.outputs["parts"].write_text(json.dumps({"test": posts[:cut], "train": posts[cut:]}))
