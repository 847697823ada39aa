"""What a word is: one place for all stages."""
import re


def words(text, ngrams):
    single = re.findall(r"[a-z]+", text.lower())
    return single + ([" ".join(pair) for pair in zip(single, single[1:])] if ngrams > 1 else [])
