// Trades through cTrader Layer, and prints every message that it gives, as JSON Lines.
//
// Runs where @reiryoku/ctrader-layer can be found, and knows nothing of whose server it talks to.
// Its one argument is JSON: where the server is, how to log in, which symbol to trade, until when to
// ask for bars and ticks.
"use strict";

const { CTraderConnection } = require("@reiryoku/ctrader-layer");

const EVENTS = ["ProtoOASpotEvent", "ProtoOAExecutionEvent", "ProtoOAOrderErrorEvent"];
const MARKET = 1, BUY = 1;
const M1 = 1;
const BID = 1;
const MINUTE = 60_000; // ms

async function trade(told) {
    const connection = new CTraderConnection({ host: told.host, port: told.port });
    const seen = [];
    let waiting = [];

    function received(message, { clientMsgId = null, payloadType, ...payload }) {
        seen.push(message);
        console.log(JSON.stringify({ message, clientMsgId, payload }));
        for (const wait of waiting) {
            if (count(wait.name) >= wait.count) wait.resolve();
        }
        waiting = waiting.filter((wait) => count(wait.name) < wait.count);
    }

    function count(name) {
        return seen.filter((message) => message === name).length;
    }

    // Waits until so many messages of this name have come, from the beginning.
    function until(name, wanted) {
        return new Promise((resolve) => {
            if (count(name) >= wanted) resolve();
            else waiting.push({ name, count: wanted, resolve });
        });
    }

    async function ask(name, fields) {
        const answer = await connection.sendCommand(name, fields);
        // Where the answer is an event, the layer says so with an empty object.
        if (Object.keys(answer).length > 0) received(name.replace(/Req$/, "Res"), answer);
        return answer;
    }

    async function refused(name, fields) {
        try {
            await ask(name, fields);
        } catch (refusal) {
            if (refusal.payloadType !== "PROTO_OA_ERROR_RES") throw refusal;
            received("ProtoOAErrorRes", refusal);
        }
    }

    for (const name of EVENTS) connection.on(name, (event) => received(name, event.descriptor));
    await connection.open();
    await ask("ProtoOAApplicationAuthReq", {
        clientId: told.clientId,
        clientSecret: told.clientSecret,
    });
    const account = { ctidTraderAccountId: told.account };
    await ask("ProtoOAAccountAuthReq", { ...account, accessToken: told.accessToken });
    const symbols = await ask("ProtoOASymbolsListReq", account);
    const { symbolId } = symbols.symbol.find((each) => each.symbolName === told.symbol);
    const window = { ...account, symbolId, toTimestamp: told.until };
    await Promise.all([
        ask("ProtoOASymbolByIdReq", { ...account, symbolId: [symbolId] }),
        ask("ProtoOASubscribeSpotsReq", { ...account, symbolId: [symbolId] }),
        ask("ProtoOAGetTrendbarsReq", {
            ...window,
            period: M1,
            fromTimestamp: told.until - 60 * MINUTE,
        }),
        ask("ProtoOAGetTickDataReq", { ...window, type: BID, fromTimestamp: told.until - MINUTE }),
    ]);
    await until("ProtoOASpotEvent", 2);
    await ask("ProtoOANewOrderReq", {
        ...account,
        symbolId,
        orderType: MARKET,
        tradeSide: BUY,
        volume: 200_000,
        relativeStopLoss: 500,
        relativeTakeProfit: 900,
        label: "conformance",
    });
    await until("ProtoOAExecutionEvent", 3);
    const state = await ask("ProtoOAReconcileReq", account);
    await ask("ProtoOAClosePositionReq", { ...account, positionId: 1, volume: 100_000 }); // none
    await refused("ProtoOAUnsubscribeSpotsReq", { ...account, symbolId: [Number(symbolId) + 1] });
    const [{ positionId, tradeData }] = state.position;
    await ask("ProtoOAClosePositionReq", { ...account, positionId, volume: tradeData.volume });
    await until("ProtoOAExecutionEvent", 6);
    await ask("ProtoOAReconcileReq", account);
    connection.close();
}

trade(JSON.parse(process.argv[2])).catch((error) => {
    console.error(error);
    process.exit(1);
});
