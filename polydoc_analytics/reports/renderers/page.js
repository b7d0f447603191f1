"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const cube = data.cube, $ = (id) => document.getElementById(id);
  const counts = new Intl.NumberFormat(data.locale);
  const percents = new Intl.NumberFormat(data.locale, {style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1});
  const count = (n) => (n === null ? "–" : counts.format(n));
  const views = {};
  const MOST = 15, DAY = 86400000;

  // Tables: a click on a head sorts, a text finds. Numbers sort as numbers, unknown values stand last.
  const compare = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const x = Number(a), y = Number(b);
    return sign * (Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, data.locale) : x - y);
  };
  for (const box of document.querySelectorAll(".table")) {
    const body = box.querySelector("tbody"), heads = [...box.querySelectorAll("th")];
    heads.forEach((head, at) => head.querySelector("button").addEventListener("click", () => {
      const falls = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : head.className === "n";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [row.cells[at].dataset.v, row]);
      rows.sort((a, b) => compare(a[0], b[0], falls ? -1 : 1)).forEach(([, row]) => body.append(row));
    }));
    box.querySelector(".find")?.addEventListener("input", (event) => {
      const wanted = event.target.value.toLocaleLowerCase();
      for (const row of body.rows) row.hidden = !row.textContent.toLocaleLowerCase().includes(wanted);
    });
  }
  for (const value of document.querySelectorAll(".tile .value")) value.classList.toggle("long", value.textContent.length > 11);

  // What the filters choose, summed up over the cells of the cube.
  const chosen = {account: null, language: null, from: null, to: null};
  const MEASURES = cube ? Object.keys(cube.columns).filter((name) => !["period", "account", "language"].includes(name)) : [];
  const starts = cube ? cube.periods.map((day) => Date.parse(day)) : [];
  function sums(by, without) {
    const {columns} = cube, found = new Map();
    for (let i = 0; i < columns.period.length; i++) {
      const start = starts[columns.period[i]];
      if (without !== "account" && chosen.account !== null && columns.account[i] !== chosen.account) continue;
      if (without !== "language" && chosen.language !== null && columns.language[i] !== chosen.language) continue;
      if (without !== "time" && ((chosen.from !== null && start < chosen.from) || (chosen.to !== null && start > chosen.to))) continue;
      const key = by(i);
      let sum = found.get(key);
      if (!sum) found.set(key, (sum = Object.fromEntries(MEASURES.map((name) => [name, 0]))));
      for (const name of MEASURES) sum[name] += columns[name][i];
    }
    return found;
  }
  // Unknown is not zero: a sum over runs of which none knows the value is unknown.
  const known = (sum, value, knowing) => (sum.runs && !sum[knowing] ? null : sum[value]);
  function wilson(k, n) {
    const z = 1.959963984540054, half = z * Math.sqrt((k * (n - k)) / n + (z * z) / 4), middle = k + (z * z) / 2;
    return [k === 0 ? 0 : (middle - half) / (n + z * z), k === n ? 1 : (middle + half) / (n + z * z)];
  }
  function start_of(time, every) {
    const day = new Date(time);
    if (every === "week") return time - ((day.getUTCDay() + 6) % 7) * DAY;
    return every === "month" ? Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), 1) : time;
  }
  function end_of(time, every) {
    const day = new Date(time);
    return every === "month" ? Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 1) : time + (every === "week" ? 7 : 1) * DAY;
  }
  function over_time(name) {
    const original = data.charts[name].rows, gap = original.length ? original[0].end - original[0].period : DAY;
    const every = gap > 8 * DAY ? "month" : gap > 2 * DAY ? "week" : "day";
    const found = sums((i) => start_of(starts[cube.columns.period[i]], every), "time");
    return [...found].sort((a, b) => a[0] - b[0]).map(([period, sum]) => ({
      period, end: end_of(period, every), runs: sum.runs, failed_runs: sum.failed, credits: known(sum, "credits", "credits_known"),
    }));
  }
  function ranking(key, names) {
    const found = [...sums((i) => cube.columns[key][i], key)].sort((a, b) => b[1].runs - a[1].runs || a[0] - b[0]);
    const rows = found.slice(0, MOST).map(([at, sum]) => ({
      label: names[at], runs: sum.runs, text: count(sum.runs), dim: chosen[key] !== null && chosen[key] !== at,
    }));
    const rest = found.slice(MOST).reduce((runs, [, sum]) => runs + sum.runs, 0);
    return rest ? [...rows, {label: "all others", runs: rest, text: count(rest), dim: chosen[key] !== null}] : rows;
  }
  function failures() {
    const found = [...sums((i) => cube.columns.language[i], "language")].map(([at, sum]) => [at, sum.failed, sum.failed + sum.succeeded]);
    const rated = found.filter(([, , n]) => n).sort((a, b) => b[2] - a[2]).slice(0, MOST);
    return rated.sort((a, b) => b[1] / b[2] - a[1] / a[2] || a[0] - b[0]).map(([at, k, n]) => {
      const [low, high] = wilson(k, n);
      return {label: cube.languages[at], rate: k / n, low, high, small: high - low > 0.2, text: `${count(k)} of ${count(n)} failed`};
    });
  }
  const LIVE = {
    time: over_time,
    account: () => ranking("account", cube.accounts),
    language: () => ranking("language", cube.languages),
    failures,
  };

  const tiles = [...document.querySelectorAll(".tile")].map((tile) => ({
    tile, number: tile.querySelector(".number"), text: tile.querySelector(".number").textContent,
    change: tile.querySelector(".change"), note: tile.querySelector(".note"), said: tile.querySelector(".note")?.textContent,
  }));
  function refresh() {
    const is_all = Object.values(chosen).every((value) => value === null);
    const sum = sums(() => 0).get(0) ?? Object.fromEntries(MEASURES.map((name) => [name, 0]));
    const finished = sum.failed + sum.succeeded;
    const rate = finished ? sum.failed / finished : null;
    const now = {
      runs: count(sum.runs),
      failure_rate: rate === null ? "–" : percents.format(rate),
      credits: count(known(sum, "credits", "credits_known")),
      input_tokens: count(known(sum, "input_tokens", "input_known")),
      output_tokens: count(known(sum, "output_tokens", "output_known")),
    };
    for (const {tile, number, text, change, note, said} of tiles) {
      const value = now[tile.dataset.measure];
      number.textContent = is_all || value === undefined ? text : value;
      if (change) change.hidden = !is_all;
      if (!note) continue;
      note.textContent = is_all ? said : value === undefined ? "whole period" : `of ${text} in all`;
      if (!is_all && tile.dataset.measure === "failure_rate" && finished) {
        const [low, high] = wilson(sum.failed, finished);
        note.textContent = `95% interval ${percents.format(low)} to ${percents.format(high)}${high - low > 0.2 ? "; small sample" : ""}`;
      }
    }
    for (const badge of document.querySelectorAll("[data-whole] .badge")) badge.hidden = is_all;
    $("status").textContent = is_all ? "" : `${count(sum.runs)} ${sum.runs === 1 ? "run" : "runs"} chosen`;
    for (const [name, view] of Object.entries(views)) {
      const live = data.charts[name].live;
      if (!live) continue;
      const rows = is_all ? data.charts[name].rows : LIVE[live](name);
      view.data("t", structuredClone(rows)).runAsync();
    }
  }
  let waiting = false;
  function soon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; refresh(); });
  }
  const iso = (time) => (time === null ? "" : new Date(time).toISOString().slice(0, 10));
  function choose(changes) {
    Object.assign(chosen, changes);
    $("account").value = chosen.account ?? "";
    $("language").value = chosen.language ?? "";
    if (!("typed" in changes)) { $("from").value = iso(chosen.from); $("to").value = iso(chosen.to); }
    delete chosen.typed;
    soon();
  }
  if (cube) {
    const place = (text) => (text === "" ? null : Number(text));
    const day = (text) => { const time = Date.parse(text); return Number.isNaN(time) ? null : time; };
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    for (const key of ["account", "language"]) $(key).addEventListener("change", (event) => choose({[key]: place(event.target.value)}));
    for (const key of ["from", "to"]) $(key).addEventListener("change", (event) => choose({[key]: day(event.target.value), typed: true}));
    $("reset").addEventListener("click", () => choose({account: null, language: null, from: null, to: null}));
  }

  // Charts. A brush over the time chart chooses days, a click on a bar an account or a language.
  function listen(view, live, names) {
    if (live === "time") {
      try {
        view.addSignalListener("brush", (_, brush) => {
          const range = brush.period;
          if (!range) return choose({from: null, to: null});
          const inside = starts.filter((time) => time >= Math.min(...range) - DAY / 2 && time < Math.max(...range));
          if (inside.length) choose({from: inside[0], to: inside[inside.length - 1]});
        });
      } catch { return; } // only one of the charts has a brush
    } else if (live === "account" || live === "language") {
      view.addEventListener("click", (_, item) => {
        const at = names.indexOf(item?.datum?.label);
        if (at >= 0) choose({[live]: chosen[live] === at ? null : at});
      });
    }
  }
  for (const [name, chart] of Object.entries(data.charts)) {
    const element = $(`chart-${name}`), spec = chart.spec, values = spec.data.find((one) => one.name === "t").values;
    for (const row of values) {
      for (const key of ["period", "end"]) if (typeof row[key] === "string") row[key] = Date.parse(row[key]);
    }
    chart.rows = structuredClone(values);
    if (!chart.fluid) {
      const across = Math.min(4, Math.max(2, Math.floor(element.clientWidth / 200)));
      spec.layout.columns = across;
      spec.signals.find((one) => one.name === "child_width").value = Math.floor(element.clientWidth / across) - 46;
    }
    vegaEmbed(element, spec, {mode: "vega", renderer: "svg", actions: false, ast: true, logLevel: 1}).then(({view}) => {
      views[name] = view;
      element.dataset.drawn = "";
      if (cube && chart.live) listen(view, chart.live, chart.live === "account" ? cube.accounts : cube.languages);
    });
  }
})();
