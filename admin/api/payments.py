"""Payments as the bookkeeping of another system has them."""

from admin.api import shapes
from admin.api.operations import Call, Operation, operation
from admin.api.shapes import PaymentOut
from admin.base import commit_and_wake, request_now
from rules_engine.services.money import payments
from rules_engine.services.money.incoming_money import PaymentIn


@operation(
    Operation(
        "book_payment",
        "POST",
        "/payments",
        "payments:write",
        "Book a payment, or a refund with an amount below zero: 201 new, 200 the same body under the same key again, "
        "409 another body",
        PaymentOut,
        body=PaymentIn,
        answers=(201, 200),
    )
)
def book(call: Call) -> tuple[PaymentOut, int]:
    booked = payments.book(call.session, call.body, now=request_now(), actor=call.actor)
    commit_and_wake()
    return shapes.payment_out(call.session, booked.payment), 201 if booked.created else 200
