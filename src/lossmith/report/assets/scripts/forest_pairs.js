// Which differences are shown, and what each of them says.
const known = (...values) => values.every((value) => value != null);
const negated = (value) => (value == null ? null : -value);

// Both directions of every pair in a metric: {first, second, mean, low, high, won}.
function pairsOf(metric) {
  const pairs = data.differences.filter((entry) => entry[0] === metric);
  return pairs.flatMap(([, first, second, mean, low, high, won]) => {
    const lost = known(won) ? 1 - won : null;
    const turned = { mean: negated(mean), low: negated(high), high: negated(low), won: lost };
    return [{ first, second, mean, low, high, won }, { first: second, second: first, ...turned }];
  });
}

// Every method against the reference, or every pair with its better method first; the best on top.
function chosenPairs(metric, reference) {
  const { higher } = data.metrics[metric];
  const gain = (pair) => (known(pair.mean) ? (higher ? pair.mean : -pair.mean) : -Infinity);
  const leads = (pair) => gain(pair) > 0 || (!(gain(pair) < 0 && known(pair.mean)) && pair.first < pair.second);
  const chosen = pairsOf(metric).filter((pair) => (reference === "all" ? leads(pair) : pair.second === reference));
  return chosen.sort((a, b) => gain(b) - gain(a));
}

function outcomeOf({ mean, low, high }, higher) {
  if (!known(mean)) return { words: "not measured", sure: false };
  const better = mean > 0 === higher;
  if (!known(low, high)) {
    return { words: mean ? `${better ? "better" : "worse"}, uncertainty unknown` : "equal", sure: false };
  }
  if (low <= 0 && high >= 0) return { words: "not distinguishable", sure: false };
  return { words: better ? "▲ better" : "▼ worse", sure: true };
}

// The axis for all rows. Rows of the degraded input would flatten all others, so they may reach beyond it.
function forestAxis(pairs, higher) {
  const measured = pairs.filter((pair) => known(pair.mean));
  const isLoss = (method) => data.methods[method].kind === "loss";
  const near = measured.filter((pair) => isLoss(pair.first) && isLoss(pair.second));
  const ends = (near.length ? near : measured).flatMap(({ mean, low, high }) => [low ?? mean, high ?? mean]);
  return { ...extent([0, ...ends], 0.06), flip: !higher };
}

// The digits of the metric, or more where a difference would look like 0.
function neededDigits(pairs, digits) {
  const sizes = pairs.map(({ low, high }) => (known(low, high) ? Math.max(Math.abs(low), Math.abs(high)) : 0));
  const smallest = Math.min(...sizes.filter((size) => size > 0));
  return Number.isFinite(smallest) ? clamp(1 - Math.floor(Math.log10(smallest)), digits, digits + 3) : digits;
}
