"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const cube = data.cube, $ = (id) => document.getElementById(id);
  // Halves to the even digit, as in the other formats.
  const tenths = new Intl.NumberFormat("en", {
    style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1, roundingMode: "halfEven", useGrouping: false,
  });
  const days = new Intl.DateTimeFormat(data.dates, {day: "numeric", month: "short", year: "numeric", timeZone: "UTC"});
  const months = new Intl.DateTimeFormat(data.dates, {month: "long", year: "numeric", timeZone: "UTC"});
  // A number, -1234.5, as the other formats write it: browsers know locales of other versions.
  function written(number, kind) {
    const {group, decimal, sizes, around} = data.numbers, [, minus, digits, fraction] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(number);
    const groups = [];
    for (let end = digits.length; end > 0; end -= sizes[Math.min(groups.length, 2) - 1]) {
      groups.unshift(digits.slice(Math.max(0, end - sizes[Math.min(groups.length, 1)]), end));
    }
    const [before, after] = around[kind][minus ? 1 : 0];
    return before + groups.join(group) + (fraction ? decimal + fraction : "") + after;
  }
  const count = (n) => (n === null ? "–" : written(String(n), "count"));
  const percent = (share) => written(tenths.format(share).slice(0, -1), "rate");
  const views = {};
  const MOST = 15, DAY = 86400000;

  const collator = new Intl.Collator(data.locale, {numeric: true});
  // Tables: a click on a head sorts, a text finds, a button shows all rows, another one saves them as CSV.
  const compare = (a, b, sign, is_text) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return sign * (is_text ? collator.compare(a, b) : Number(a) - Number(b));
  };
  const tables = [...document.querySelectorAll(".table")].map((box) => {
    const heads = [...box.querySelectorAll("th")], body = box.querySelector("tbody");
    const cells_of = (row) => [...row.cells].map((cell) => ({cell, html: cell.innerHTML, value: cell.dataset.v}));
    const foot = (name) => { const row = box.querySelector(`tr.${name}`); return row && {row, cells: cells_of(row)}; };
    return {
      box, body, heads, live: box.dataset.live, first: Number(box.dataset.first),
      columns: heads.map((head) => head.dataset.name), kinds: heads.map((head) => head.dataset.kind),
      rows: [...body.rows].map((row, at) => ({
        row, at: Number(row.dataset.at ?? at), cells: cells_of(row), is_chosen: true,
        ids: [row.dataset.id ?? "", ...[...row.querySelectorAll("[title]")].map((cell) => cell.title)].join(" ").toLocaleLowerCase(),
      })),
      more: foot("more"), others: foot("others"), total: foot("total"), order: null, is_open: false, wanted: "", is_filtered: false,
    };
  });
  function in_order(table) {
    const has = ({row, ids}) => row.textContent.toLocaleLowerCase().includes(table.wanted) || ids.includes(table.wanted);
    const kept = table.rows.filter((one) => one.is_chosen && has(one));
    if (!table.order) return kept;
    const {at, falls} = table.order, value = ({cells}) => cells[at].cell.dataset.v;
    const is_text = !table.heads[at].classList.contains("n");
    return kept.sort((a, b) => compare(value(a), value(b), falls ? -1 : 1, is_text));
  }
  function arrange(table) {
    const kept = in_order(table), is_cut = !table.is_open && kept.length > table.first;
    for (const {row} of table.rows) { row.hidden = true; row.classList.remove("printed"); }
    kept.forEach(({row}, place) => { table.body.append(row); row.hidden = is_cut && place >= table.first; });
    if (table.more) {
      table.more.row.hidden = kept.length <= table.first;
      const button = table.more.row.querySelector("button");
      button.textContent = is_cut ? data.words.all.replace("{count}", count(kept.length)) : data.words.fewer;
      button.setAttribute("aria-expanded", String(!is_cut));
    }
    const is_plain = is_cut && !table.order && !table.wanted;
    if (table.others) table.others.row.hidden = table.is_filtered ? !table.others.has_runs : !is_plain;
    // On paper there is no button: rows that no line sums up are printed.
    const is_summed = table.others && is_plain && !table.is_filtered;
    kept.forEach(({row}) => row.classList.toggle("printed", row.hidden && !is_summed));
  }
  function sort(table, at) {
    const head = table.heads[at], now = head.getAttribute("aria-sort");
    const falls = now ? now === "ascending" : head.classList.contains("n");
    table.heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", falls ? "descending" : "ascending");
    table.order = {at, falls};
    arrange(table);
  }
  function save(table) {
    const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const guarded = (text) => (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);
    const places = [...table.columns.keys()].filter((at) => !table.is_filtered || !at || table.columns[at] in FIELDS);
    const ids = table.rows.some(({row}) => row.dataset.id !== undefined);
    const key = table.columns[0].replace("account_name", "account_id").replace("language_name", "language");
    const lines = [[...(ids ? [key] : []), ...places.map((at) => table.columns[at])]];
    for (const {row, cells} of in_order(table)) {
      lines.push([...(ids ? [row.dataset.id ?? ""] : []), ...places.map((at) => cells[at].cell.dataset.v)].map(guarded));
    }
    const link = document.createElement("a"), section = table.box.closest("section").id;
    const content = lines.map((line) => line.map(quoted).join(",") + "\r\n").join("");
    link.href = URL.createObjectURL(new Blob(["\ufeff", content], {type: "text/csv"}));
    link.download = `${data.slug}_${section}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  }
  for (const table of tables) {
    const find = table.box.querySelector(".find");
    table.heads.forEach((head, at) => head.querySelector("button").addEventListener("click", () => sort(table, at)));
    find?.addEventListener("input", () => { table.wanted = find.value.toLocaleLowerCase(); arrange(table); });
    find?.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { find.value = table.wanted = ""; arrange(table); }
    });
    table.more?.row.querySelector("button").addEventListener("click", () => { table.is_open = !table.is_open; arrange(table); });
    table.box.querySelector(".csv").addEventListener("click", () => save(table));
  }
  for (const value of document.querySelectorAll(".tile .value")) value.classList.toggle("long", value.textContent.length > 11);

  // The sum of what the filters choose, over the cells of the cube.
  const chosen = {account: null, language: null, from: null, to: null};
  const MEASURES = cube ? Object.keys(cube.columns).filter((name) => !["period", "account", "language"].includes(name)) : [];
  const starts = cube ? cube.periods.map((day) => Date.parse(day)) : [];
  const nothing = () => Object.fromEntries(MEASURES.map((name) => [name, 0]));
  const is_everything = () => Object.values(chosen).every((value) => value === null);
  function sums(by, without) {
    const {columns} = cube, found = new Map();
    for (let i = 0; i < columns.period.length; i++) {
      const start = starts[columns.period[i]];
      if (without !== "account" && chosen.account !== null && columns.account[i] !== chosen.account) continue;
      if (without !== "language" && chosen.language !== null && columns.language[i] !== chosen.language) continue;
      if (without !== "time" && ((chosen.from !== null && start < chosen.from) || (chosen.to !== null && start > chosen.to))) continue;
      const key = by(i);
      let sum = found.get(key);
      if (!sum) found.set(key, (sum = nothing()));
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
  const fits = (every) => cube.every === "day" || cube.every === every;
  function every_of(name) {
    const [row] = data.charts[name].rows, gap = row ? row.end - row.period : DAY;
    return gap > 8 * DAY ? "month" : gap > 2 * DAY ? "week" : "day";
  }
  function over_time(name) {
    const every = every_of(name), partial = new Map(data.charts[name].rows.map((row) => [row.period, row.is_partial]));
    const found = sums((i) => start_of(starts[cube.columns.period[i]], every), "time");
    return [...found].sort((a, b) => a[0] - b[0]).map(([period, sum]) => ({
      period, end: end_of(period, every), is_partial: partial.get(period) ?? false, runs: sum.runs, failed_runs: sum.failed,
      credits: known(sum, "credits", "credits_known"),
      dim: (chosen.from !== null && period < start_of(chosen.from, every)) || (chosen.to !== null && period > chosen.to),
    }));
  }
  function ranking(key, names) {
    const all = [...sums((i) => cube.columns[key][i], key)].sort((a, b) => b[1].runs - a[1].runs || a[0] - b[0]);
    const rest_at = cube.others.includes(key) ? names.length - 1 : null;
    const found = all.filter(([at]) => at !== rest_at).slice(0, MOST), shown = new Set(found.map(([at]) => at));
    const rows = found.map(([at, sum]) => ({
      label: names[at], runs: sum.runs, text: count(sum.runs), dim: chosen[key] !== null && chosen[key] !== at,
    }));
    const rest = all.reduce((runs, [at, sum]) => runs + (shown.has(at) ? 0 : sum.runs), 0);
    // A bar of many others would leave those that are named no room.
    if (!rest || rest > 2 * (rows[0]?.runs ?? rest)) return rows;
    return [...rows, {label: "all others", runs: rest, text: count(rest), dim: chosen[key] !== null && chosen[key] !== rest_at}];
  }
  function failures() {
    const found = [...sums((i) => cube.columns.language[i])].map(([at, sum]) => [at, sum.failed, sum.failed + sum.succeeded]);
    const rated = found.filter(([, , n]) => n).sort((a, b) => b[2] - a[2]).slice(0, MOST);
    return rated.sort((a, b) => b[1] / b[2] - a[1] / a[2] || a[0] - b[0]).map(([at, k, n]) => {
      const [low, high] = wilson(k, n);
      const [rate_text, low_text, high_text] = [k / n, low, high].map((share) => percent(share));
      const text = `${count(k)} of ${count(n)} failed`, small = high - low > 0.2;
      return {label: cube.languages[at], rate: k / n, low, high, rate_text, low_text, high_text, small, text};
    });
  }
  const LIVE = {
    time: over_time,
    account: () => ranking("account", cube.accounts),
    language: () => ranking("language", cube.languages),
    failures,
  };
  const runs_of = (n) => `${count(n)} ${n === 1 ? "run" : "runs"}`;
  function sentence(live, rows, name) {
    if (live === "failures") return "95% interval (Wilson) of what is chosen; small samples are hollow.";
    if (live !== "time") {
      const inside = rows.filter((row) => !row.dim), whole = inside.reduce((n, row) => n + row.runs, 0);
      return whole ? `${inside[0].label} has ${percent(inside[0].runs / whole)} of the ${runs_of(whole)} chosen.` : "No runs are chosen.";
    }
    const measure = name.startsWith("credits") ? "credits" : "runs", inside = rows.filter((row) => !row.dim && row[measure] !== null);
    const top = inside.reduce((best, row) => (!best || row[measure] > best[measure] ? row : best), null);
    if (!top) return `No ${measure} are known of what is chosen.`;
    const every = every_of(name), when = {day: "", week: "the week of ", month: ""}[every] + (every === "month" ? months : days).format(top.period);
    const amount = `${count(top[measure])} ${top[measure] === 1 ? measure.slice(0, -1) : measure}`;
    return `The most in one ${every}: ${amount}, ${when}.`;
  }

  // Money, exact: credits times the price, rounded half to even; the lines of a table sum to its total.
  const money = cube?.money, price = money ? money.price.split(".") : ["0"];
  const fraction = (price[1] ?? "").length, shift = money ? Math.max(0, fraction - money.digits) : 0, step = 10n ** BigInt(shift);
  const exact = (credits) => BigInt(credits) * BigInt(price.join("")) * 10n ** BigInt(money ? Math.max(0, money.digits - fraction) : 0);
  function rounded(amount) {
    let whole = amount / step, rest = amount % step;
    if (rest < 0n) { whole -= 1n; rest += step; }
    return 2n * rest > step || (2n * rest === step && whole % 2n) ? whole + 1n : whole;
  }
  function allotted(amounts, total) {
    const lines = amounts.map((amount) => (amount === null ? null : rounded(amount)));
    const places = [...lines.keys()].filter((at) => lines[at] !== null);
    const moved = (at) => amounts[at] - lines[at] * step;
    let rest = total - places.reduce((sum, at) => sum + lines[at], 0n);
    const sign = rest > 0n ? 1n : -1n;
    places.sort((a, b) => Number(sign * (moved(b) - moved(a))) || a - b);
    for (const at of places) { if (rest === 0n) break; lines[at] += sign; rest -= sign; }
    return lines;
  }
  function decimal(units) {
    const digits = String(units < 0n ? -units : units).padStart(money.digits + 1, "0"), at = digits.length - money.digits;
    return (units < 0n ? "-" : "") + digits.slice(0, at) + (money.digits ? `.${digits.slice(at)}` : "");
  }

  // The columns of tables that follow the filters, from a sum of the cube.
  const finished = (sum) => sum.failed + sum.succeeded;
  const interval = (sum) => (finished(sum) ? wilson(sum.failed, finished(sum)) : [null, null]);
  const FIELDS = {
    runs: (sum) => sum.runs, failed_runs: (sum) => sum.failed, finished_runs: finished,
    failure_rate: (sum) => (finished(sum) ? sum.failed / finished(sum) : null),
    failure_rate_low: (sum) => interval(sum)[0], failure_rate_high: (sum) => interval(sum)[1],
    is_small_sample: (sum) => { const [low, high] = interval(sum); return low !== null && high - low > 0.2; },
    credits: (sum) => known(sum, "credits", "credits_known"), cost: (sum) => sum.cost,
    input_tokens: (sum) => known(sum, "input_tokens", "input_known"), output_tokens: (sum) => known(sum, "output_tokens", "output_known"),
  };
  const TEXTS = {
    rate: percent, mark: (value) => (value ? "small sample" : ""),
    money: (value) => written(decimal(value), "money"), count,
  };
  function write(table, cells, sum) {
    cells.forEach(({cell}, at) => {
      const field = FIELDS[table.columns[at]], kind = table.kinds[at];
      if (!field) return cell.classList.toggle("whole", at > 0);
      const value = field(sum), text = value === null ? "–" : TEXTS[kind](value);
      (cell.querySelector(".mark") ?? cell).textContent = text;
      cell.dataset.v = value === null ? "" : kind === "money" ? decimal(value) : String(value);
    });
  }
  function restore({cells}) {
    for (const {cell, html, value} of cells) {
      cell.innerHTML = html;
      cell.classList.remove("whole");
      if (value !== undefined) cell.dataset.v = value;
    }
  }
  function priced(all, whole) {
    if (!money) return;
    const credits = (sum) => known(sum, "credits", "credits_known"), cost = (sum) => (credits(sum) === null ? null : exact(credits(sum)));
    whole.cost = cost(whole) === null ? null : rounded(cost(whole));
    const lines = allotted(all.map(cost), whole.cost ?? 0n);
    all.forEach((sum, at) => { sum.cost = lines[at]; });
  }
  function fill(table) {
    const live = table.live, is_time = !["account", "language"].includes(live);
    const key = is_time ? (i) => start_of(starts[cube.columns.period[i]], live) : (i) => cube.columns[live][i];
    const found = sums(key), whole = sums(() => 0).get(0) ?? nothing();
    const rest_at = cube.others.includes(live) ? cube[`${live}s`].length - 1 : null;
    const pairs = table.rows.map((one) => [one, found.get(is_time ? Date.parse(one.cells[0].value) : one.at === rest_at ? undefined : one.at)]);
    const rest = rest_at === null ? undefined : found.get(rest_at);
    priced([...pairs.map((pair) => pair[1]), rest].filter(Boolean), whole);
    for (const [one, sum] of pairs) {
      one.is_chosen = sum !== undefined && (!table.columns.includes("finished_runs") || sum.failed > 0);
      if (sum) write(table, one.cells, sum);
    }
    if (table.total) write(table, table.total.cells, whole);
    if (table.others) {
      table.others.has_runs = rest !== undefined;
      if (rest) {
        write(table, table.others.cells, rest);
        table.others.cells[0].cell.textContent = cube[`${live}s`][rest_at];
      }
    }
  }
  function filter(table, is_all) {
    const follows = cube && table.live && (["account", "language"].includes(table.live) || fits(table.live));
    table.is_filtered = Boolean(!is_all && follows);
    for (const one of [...table.rows, table.others, table.total]) if (one) restore(one);
    table.rows.forEach((one) => { one.is_chosen = true; });
    if (table.is_filtered) fill(table);
    table.heads.forEach((head, at) => head.classList.toggle("fixed", table.is_filtered && at > 0 && !(table.columns[at] in FIELDS)));
    if (!follows) table.box.classList.toggle("whole", !is_all);
    arrange(table);
  }

  const tiles = [...document.querySelectorAll(".tile")].map((tile) => ({
    tile, number: tile.querySelector(".number"), text: tile.querySelector(".number").textContent,
    change: tile.querySelector(".change"), note: tile.querySelector(".note"), said: tile.querySelector(".note")?.textContent,
  }));
  const sentences = Object.fromEntries(Object.keys(data.charts).map((name) => {
    const element = $(`chart-${name}`).closest("figure").querySelector(".sentence");
    return [name, {element, said: element.textContent}];
  }));
  function refresh() {
    const is_all = is_everything(), sum = sums(() => 0).get(0) ?? nothing();
    priced([], sum);
    const texts = {
      runs: count(sum.runs),
      failure_rate: finished(sum) ? percent(sum.failed / finished(sum)) : "–",
      credits: count(FIELDS.credits(sum)),
      cost: money && (sum.cost === null ? "–" : TEXTS.money(sum.cost)),
      input_tokens: count(FIELDS.input_tokens(sum)),
      output_tokens: count(FIELDS.output_tokens(sum)),
    };
    for (const {tile, number, text, change, note, said} of tiles) {
      const value = texts[tile.dataset.measure];
      number.textContent = is_all || value === undefined ? text : value;
      tile.classList.toggle("whole", !is_all && value === undefined);
      if (change) change.hidden = !is_all;
      if (!note) continue;
      note.textContent = is_all ? said : value === undefined ? "whole period" : `of ${text} in all`;
      if (!is_all && tile.dataset.measure === "failure_rate" && finished(sum)) {
        const [low, high] = interval(sum);
        note.textContent = `95% interval ${percent(low)} to ${percent(high)}${high - low > 0.2 ? "; small sample" : ""}`;
      }
    }
    tables.forEach((table) => filter(table, is_all));
    for (const [name, view] of Object.entries(views)) {
      const {live, rows} = data.charts[name], follows = live && (live !== "time" || fits(every_of(name)));
      const drawn = is_all || !follows ? rows : LIVE[live](name), {element, said} = sentences[name];
      element.textContent = is_all || !follows ? said : sentence(live, drawn, name);
      element.closest("figure").classList.toggle("whole", !is_all && !follows);
      if (follows) view.data("t", structuredClone(drawn)).runAsync();
    }
    for (const element of document.querySelectorAll("[data-whole]")) element.classList.toggle("whole", !is_all);
    for (const badge of document.querySelectorAll(".badge")) badge.hidden = !badge.closest(".whole");
    $("status").textContent = [...(is_all ? [] : [`${runs_of(sum.runs)} chosen`]), ...unknown.map((name) => `not here: ${name}`)].join("; ");
  }
  let waiting = false;
  function soon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; refresh(); });
  }
  // The choice stands in the address, so that it can be sent, and outlives a reload.
  const iso = (time) => new Date(time).toISOString().slice(0, 10);
  const [first, last] = cube ? [Date.parse(cube.first), Date.parse(cube.last)] : [0, 0];
  function choose(changes) {
    const next = {...chosen, ...changes};
    if (next.from !== null && next.to !== null && next.from > next.to) [next.from, next.to] = [next.to, next.from];
    if (next.from !== null) next.from = start_of(next.from, cube.every);
    if (next.to !== null) next.to = end_of(start_of(next.to, cube.every), cube.every) - DAY;
    if (next.from !== null && next.from <= first) next.from = null;
    if (next.to !== null && next.to >= last) next.to = null;
    Object.assign(chosen, next);
    $("account").value = chosen.account ?? "";
    $("language").value = chosen.language ?? "";
    $("from").value = iso(chosen.from ?? first);
    $("to").value = iso(chosen.to ?? last);
    const words = new URLSearchParams();
    if (chosen.account !== null) words.set("account", cube.accounts[chosen.account]);
    if (chosen.language !== null) words.set("language", cube.languages[chosen.language]);
    if (chosen.from !== null) words.set("from", iso(chosen.from));
    if (chosen.to !== null) words.set("to", iso(chosen.to));
    history.replaceState(null, "", words.size ? `#${words}` : location.pathname + location.search);
    soon();
  }
  let unknown = []; // what an address names that is not here, such as an account that has no runs
  const place = (names, text) => { const at = names.indexOf(text); return at < 0 ? null : at; };
  const day = (text) => {
    const time = /^\d{4}-\d\d-\d\d$/.test(text ?? "") ? Date.parse(`${text}T00:00:00Z`) : NaN;
    return !Number.isNaN(time) && iso(time) === text ? time : null;
  };
  function from_address() {
    const words = new URLSearchParams(location.hash.slice(1));
    unknown = ["account", "language"].filter((key) => words.has(key) && place(cube[`${key}s`], words.get(key)) === null).map((key) => words.get(key));
    choose({
      account: place(cube.accounts, words.get("account")), language: place(cube.languages, words.get("language")),
      from: day(words.get("from")), to: day(words.get("to")),
    });
  }
  for (const link of document.querySelectorAll("nav a")) {
    link.addEventListener("click", (event) => {
      event.preventDefault(); // the address keeps the choice
      const section = $(link.hash.slice(1)), head = section.querySelector("h2");
      section.scrollIntoView();
      head.tabIndex = -1;
      head.focus({preventScroll: true});
    });
  }
  if (cube) {
    const number = (text) => (text === "" ? null : Number(text));
    const everything = () => { unknown = []; choose({account: null, language: null, from: null, to: null}); };
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    for (const key of ["account", "language"]) $(key).addEventListener("change", (event) => { unknown = []; choose({[key]: number(event.target.value)}); });
    for (const key of ["from", "to"]) $(key).addEventListener("change", (event) => choose({[key]: day(event.target.value)}));
    $("filters").addEventListener("keydown", (event) => { if (event.key === "Escape") everything(); });
    $("reset").addEventListener("click", everything);
    addEventListener("hashchange", from_address);
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
      if (cube && !is_everything()) soon();
    });
  }
  tables.forEach(arrange);
  if (cube && location.hash) from_address();
  if (data.reload_s) setTimeout(() => location.reload(), 1000 * data.reload_s);
})();
