// cTrader Layer. The same scenario as scenario.py, which says what is measured and how it is told.
"use strict";

const { CTraderConnection } = require("@reiryoku/ctrader-layer");

const TOLD = JSON.parse(process.argv[2]);
const account = { ctidTraderAccountId: 1 };
const history = { ...account, symbolId: 1, fromTimestamp: 0, toTimestamp: 1 };
const connection = new CTraderConnection({ host: TOLD.host, port: TOLD.port });

const ask = () => connection.sendCommand("ProtoOAVersionReq", {});

async function askMany(count, atOnce) {
    const oneAfterAnother = async () => {
        for (let i = 0; i < count / atOnce; i++) await ask();
    };
    await Promise.all(Array.from({ length: atOnce }, oneAfterAnother));
}

let left = 0, done = null, seen = null;
connection.on("ProtoOASpotEvent", ({ descriptor }) => {
    seen = [descriptor.symbolId, descriptor.bid, descriptor.ask];
    if (--left === 0) done();
});

async function spots(count, rate) {
    const all = new Promise((resolve) => { left = count; done = resolve; });
    await connection.sendCommand("ProtoOASubscribeSpotsReq", { ...account, symbolId: [count, rate] });
    await all;
}

async function bars() {
    const { trendbar } = await connection.sendCommand("ProtoOAGetTrendbarsReq", { ...history, period: 1 });
    const prices = (name) => trendbar.map((bar) => Number(bar.low) + Number(bar[name]));
    trendbar.map((bar) => Number(bar.low));
    prices("deltaOpen");
    prices("deltaHigh");
    return prices("deltaClose");
}

async function ticks() {
    const { tickData } = await connection.sendCommand("ProtoOAGetTickDataReq", { ...history, type: 1 });
    const sums = (name) => {
        let sum = 0;
        return tickData.map((tick) => (sum += Number(tick[name])));
    };
    sums("timestamp");
    return sums("tick");
}

const sorted = (values) => values.sort((a, b) => a - b);
const median = (values) => sorted(values)[Math.floor(values.length / 2)];

async function milliseconds(call) {
    const begin = performance.now();
    const result = await call();
    return [performance.now() - begin, result];
}

async function play() {
    await connection.open();
    const found = { memory: process.memoryUsage.rss() / 1e6 };
    for (let i = 0; i < TOLD.warm_up; i++) await ask();
    let took = [];
    for (let i = 0; i < TOLD.requests; i++) took.push((await milliseconds(ask))[0] * 1e3);
    found.p50 = median(took);
    found.p99 = took[Math.min(took.length - 1, Math.floor(took.length * 0.99))];
    await askMany(TOLD.at_once, TOLD.at_once);
    let [time] = await milliseconds(() => askMany(TOLD.pipelined, TOLD.at_once));
    found.in_flight = TOLD.pipelined / time * 1e3;
    await spots(TOLD.spots / 10, 0);
    [time] = await milliseconds(() => spots(TOLD.spots, 0));
    found.spots = TOLD.spots / time * 1e3;
    const before = process.cpuUsage();
    await spots(TOLD.lone, TOLD.rate);
    const { user, system } = process.cpuUsage(before);
    found.lone = (user + system) / TOLD.lone;
    for (const [name, call] of [["bars", bars], ["ticks", ticks]]) {
        took = [];
        for (let i = 0; i < TOLD.histories; i++) {
            const [time, prices] = await milliseconds(call);
            took.push(time);
            found[`${name}_sum`] = prices.reduce((a, b) => a + b, 0);
        }
        found[name] = median(took);
    }
    console.log(JSON.stringify(found));
    process.exit(0);
}

play().catch((error) => {
    console.error(error);
    process.exit(1);
});
