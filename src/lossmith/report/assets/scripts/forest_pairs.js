// The pairwise differences of the forest plot, their outcomes and their axis.
const isKnown = (...values) => values.every((value) => value != null);
const negate = (value) => (value == null ? null : -value);

// Both directions of every pair in a metric: {first, second, mean, low, high, won}.
function pairsOf(metric) {
  const pairs = data.differences.filter((entry) => entry[0] === metric);
  return pairs.flatMap(([, first, second, mean, low, high, won]) => {
    const lossRate = isKnown(won) ? 1 - won : null;
    const reversed = { mean: negate(mean), low: negate(high), high: negate(low), won: lossRate };
    return [{ first, second, mean, low, high, won }, { first: second, second: first, ...reversed }];
  });
}

// Every method against the reference, or every pair with its better method first; the best pair first.
function selectPairs(metric, reference) {
  const { higher } = data.metrics[metric];
  const gain = (pair) => (isKnown(pair.mean) ? (higher ? pair.mean : -pair.mean) : -Infinity);
  const leads = (pair) => gain(pair) > 0 || (!(gain(pair) < 0 && isKnown(pair.mean)) && pair.first < pair.second);
  const selection = pairsOf(metric).filter((pair) => (reference === "all" ? leads(pair) : pair.second === reference));
  return selection.sort((a, b) => gain(b) - gain(a));
}

function outcomeOf({ mean, low, high }, higher) {
  if (!isKnown(mean)) return { words: "not measured", sure: false };
  const better = mean > 0 === higher;
  if (!isKnown(low, high)) {
    return { words: mean ? `${better ? "better" : "worse"}, uncertainty unknown` : "equal", sure: false };
  }
  if (low <= 0 && high >= 0) return { words: "not distinguishable", sure: false };
  return { words: better ? "▲ better" : "▼ worse", sure: true };
}

// The axis of all rows. Rows of the degraded input may reach beyond it, since they would compress all others.
function forestAxis(pairs, higher) {
  const measuredPairs = pairs.filter((pair) => isKnown(pair.mean));
  const isLoss = (method) => data.methods[method].kind === "loss";
  const lossPairs = measuredPairs.filter((pair) => isLoss(pair.first) && isLoss(pair.second));
  const ends = (lossPairs.length ? lossPairs : measuredPairs).flatMap(({ mean, low, high }) => [low ?? mean, high ?? mean]);
  return { ...extent([0, ...ends], 0.06), flip: !higher };
}

// The digits of the metric, or more if a difference would otherwise look like 0.
function neededDigits(pairs, digits) {
  const sizes = pairs.map(({ low, high }) => (isKnown(low, high) ? Math.max(Math.abs(low), Math.abs(high)) : 0));
  const smallest = Math.min(...sizes.filter((size) => size > 0));
  return Number.isFinite(smallest) ? clamp(1 - Math.floor(Math.log10(smallest)), digits, digits + 3) : digits;
}
