"""Where upstream is irregular, as data; an entry that a schema makes needless is an error."""

# Requests that no ...Res message answers.
ANSWERED_BY = {
    "ProtoOANewOrderReq": "ProtoOAExecutionEvent",
    "ProtoOACancelOrderReq": "ProtoOAExecutionEvent",
    "ProtoOAAmendOrderReq": "ProtoOAExecutionEvent",
    "ProtoOAAmendPositionSLTPReq": "ProtoOAExecutionEvent",
    "ProtoOAClosePositionReq": "ProtoOAExecutionEvent",
}
