// The pairwise differences of the forest plot, their outcomes and their axis.
const isKnown = (...values) => values.every((value) => value != null);
const negate = (value) => (value == null ? null : -value);

const REVERSED = { better: "worse", worse: "better" };
const OUTCOMES = { better: "▲ better", worse: "▼ worse", equivalent: "= equivalent", undecided: "undecided" };

// Both directions of every pair in a metric: {first, second, mean, low, high, won, outcome}.
function pairsOf(metric) {
  const pairs = data.differences.filter((entry) => entry[0] === metric);
  return pairs.flatMap(([, first, second, mean, low, high, won, outcome]) => {
    const lossRate = isKnown(won) ? 1 - won : null;
    const turned = { mean: negate(mean), low: negate(high), high: negate(low), won: lossRate };
    return [
      { first, second, mean, low, high, won, outcome },
      { first: second, second: first, ...turned, outcome: REVERSED[outcome] ?? outcome },
    ];
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

// What is known of the first of a pair, in a word or two.
function outcomeWords({ mean, low, high, outcome }, higher) {
  if (!isKnown(mean)) return "not measured";
  if (isKnown(low, high)) return OUTCOMES[outcome];
  return mean ? `${mean > 0 === higher ? "better" : "worse"}, uncertainty unknown` : "equal";
}

// The axis of all rows. Rows of the degraded input may reach beyond it, since they would compress all others.
function forestAxis(pairs, { higher, margin }) {
  const measuredPairs = pairs.filter((pair) => isKnown(pair.mean));
  const isLoss = (method) => data.methods[method].kind === "loss";
  const lossPairs = measuredPairs.filter((pair) => isLoss(pair.first) && isLoss(pair.second));
  const ends = (lossPairs.length ? lossPairs : measuredPairs).flatMap(({ mean, low, high }) => [low ?? mean, high ?? mean]);
  return { ...extent([-margin, margin, ...ends], 0.06), flip: !higher };
}

// The digits of the metric, or more if a difference would otherwise look like 0.
function neededDigits(pairs, digits) {
  const sizes = pairs.map(({ low, high }) => (isKnown(low, high) ? Math.max(Math.abs(low), Math.abs(high)) : 0));
  const smallest = Math.min(...sizes.filter((size) => size > 0));
  return Number.isFinite(smallest) ? clamp(1 - Math.floor(Math.log10(smallest)), digits, digits + 3) : digits;
}
