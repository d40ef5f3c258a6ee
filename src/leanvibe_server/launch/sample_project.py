"""The sample project of the demo: a small order service.

It has tests, lint findings and an untested module.
"""

from __future__ import annotations

_PYPROJECT = """\
[project]
name = "orders"
version = "0.3.0"
description = "Takes orders for a small shop."
requires-python = ">=3.11"
dependencies = [
    "fastapi>=0.115",
]

[dependency-groups]
dev = [
    "httpx>=0.27",
    "pytest>=8",
]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]

[tool.ruff]
line-length = 100

[tool.ruff.lint]
select = ["E", "F", "I", "B", "UP"]
"""

_README = """\
# Orders

Takes orders for a small shop: place an order, look at it, cancel it.

```
pip install -e . --group dev
pytest
fastapi dev app/main.py
```

## API

| route | what it does |
| --- | --- |
| `GET /health` | says that the service is up |
| `POST /orders` | places an order |
| `GET /orders` | lists the orders, newest first |
| `GET /orders/{order_id}` | shows one order |
| `POST /orders/{order_id}/cancel` | cancels an order that is still open |
"""

_MAIN = '''\
"""The order service."""

import os
from fastapi import FastAPI

from app.orders import router as orders_router

app = FastAPI(title="Orders", version="0.3.0")
app.include_router(orders_router)


@app.get("/health")
def read_health() -> dict[str, str]:
    """Say that the service is up."""
    return {"status": f"ok"}
'''

_ORDERS = '''\
"""Orders: placed, shown, cancelled."""

from enum import StrEnum
from itertools import count

from fastapi import APIRouter, HTTPException, status
from pydantic import BaseModel, Field

router = APIRouter(prefix="/orders", tags=["orders"])


class OrderStatus(StrEnum):
    """Where an order stands."""

    OPEN = "open"
    CANCELLED = "cancelled"


class OrderLine(BaseModel):
    """One article of an order. The price is in cents."""

    sku: str = Field(min_length=1, max_length=40)
    quantity: int = Field(ge=1, le=999)
    unit_price: int = Field(ge=0)


class NewOrder(BaseModel):
    """What a customer sends."""

    customer: str = Field(min_length=1, max_length=120)
    lines: list[OrderLine] = Field(min_length=1)


class Order(NewOrder):
    """An order as the service keeps it."""

    id: int
    status: OrderStatus
    total: int


class OrderBook:
    """The orders of this process."""

    def __init__(self) -> None:
        self._orders: dict[int, Order] = {}
        self._ids = count(1)

    def place(self, new: NewOrder) -> Order:
        """Keep a new order and work out its total."""
        total = sum(line.quantity * line.unit_price for line in new.lines)
        order = Order(
            id=next(self._ids), status=OrderStatus.OPEN, total=total, **new.model_dump()
        )
        self._orders[order.id] = order
        return order

    def find(self, order_id: int) -> Order | None:
        """The order, if there is one."""
        return self._orders.get(order_id)

    def list_newest_first(self) -> list[Order]:
        """Every order, the latest first."""
        return sorted(self._orders.values(), key=lambda order: order.id, reverse=True)


book = OrderBook()


@router.post("", status_code=status.HTTP_201_CREATED)
def place_order(new: NewOrder) -> Order:
    """Place an order."""
    return book.place(new)


@router.get("")
def list_orders() -> list[Order]:
    """List the orders, newest first."""
    return book.list_newest_first()


@router.get("/{order_id}")
def show_order(order_id: int) -> Order:
    """Show one order."""
    order = book.find(order_id)
    if order is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such order.")
    return order


@router.post("/{order_id}/cancel")
def cancel_order(order_id: int) -> Order:
    """Cancel an order that is still open."""
    order = show_order(order_id)
    if order.status is OrderStatus.CANCELLED:
        raise HTTPException(status.HTTP_409_CONFLICT, "The order is already cancelled.")
    order.status = OrderStatus.CANCELLED
    return order
'''

_PRICING = '''\
"""Prices: discounts, shipping and tax. Amounts are in cents."""

from dataclasses import dataclass
from enum import Enum


class CustomerTier(Enum):
    """How well we know the customer."""

    NEW = "new"
    REGULAR = "regular"
    GOLD = "gold"


@dataclass(frozen=True)
class Quote:
    """What an order costs."""

    net: int
    shipping: int
    tax: int

    @property
    def total(self) -> int:
        """Everything the customer pays."""
        return self.net + self.shipping + self.tax


TAX_PERCENT = {"DE": 19, "AT": 20, "CH": 8, "US": 0}


def discount_percent(quantity: int, tier: CustomerTier = CustomerTier.NEW) -> int:
    """The discount for a quantity, more for customers we know."""
    if quantity < 1:
        raise ValueError("quantity must be at least 1")
    percent = 0
    if quantity >= 100:
        percent = 10
    elif quantity >= 10:
        percent = 5
    if tier is CustomerTier.GOLD:
        percent += 5
    elif tier is CustomerTier.REGULAR:
        percent += 2
    return percent


def shipping_cost(net: int, country: str, express: bool = False) -> int:
    """The shipping cost; free from 50.00 on within the country."""
    if country == "DE":
        cost = 0 if net >= 5000 else 490
    elif country in {"AT", "CH"}:
        cost = 990
    else:
        cost = 1990
    if express:
        cost += 1000
    return cost


def parse_amount(text: str) -> int:
    """Read an amount such as "12.50" or "12,5" into cents."""
    cleaned = text.strip().replace(",", ".")
    if not cleaned:
        raise ValueError("the amount is empty")
    negative = cleaned.startswith("-")
    whole, _, fraction = cleaned.lstrip("-").partition(".")
    if len(fraction) > 2:
        raise ValueError("an amount has at most two decimals")
    cents = int(whole or "0") * 100 + int(fraction.ljust(2, "0"))
    return -cents if negative else cents


def make_quote(
    unit_price: int,
    quantity: int,
    country: str = "DE",
    tier: CustomerTier = CustomerTier.NEW,
) -> Quote:
    """Work out what an order costs."""
    if country not in TAX_PERCENT:
        raise KeyError(country)
    gross = unit_price * quantity
    net = gross - gross * discount_percent(quantity, tier) // 100
    shipping = shipping_cost(net, country)
    tax = (net + shipping) * TAX_PERCENT[country] // 100
    return Quote(net=net, shipping=shipping, tax=tax)
'''

_TESTS = '''\
"""The order routes, over HTTP."""

import pytest
from fastapi.testclient import TestClient

from app.main import app

LINE = {"sku": "mug", "quantity": 2, "unit_price": 900}


@pytest.fixture
def client() -> TestClient:
    return TestClient(app)


def test_the_service_is_up(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}


def test_an_order_is_placed_with_its_total(client: TestClient) -> None:
    answer = client.post("/orders", json={"customer": "Ada", "lines": [LINE]})
    assert answer.status_code == 201
    assert answer.json()["total"] == 1800
    assert answer.json()["status"] == "open"


def test_an_order_without_lines_is_refused(client: TestClient) -> None:
    answer = client.post("/orders", json={"customer": "Ada", "lines": []})
    assert answer.status_code == 422


def test_the_newest_order_comes_first(client: TestClient) -> None:
    for customer in ("Ada", "Grace"):
        client.post("/orders", json={"customer": customer, "lines": [LINE]})
    assert client.get("/orders").json()[0]["customer"] == "Grace"


def test_an_unknown_order_is_not_found(client: TestClient) -> None:
    assert client.get("/orders/999999").status_code == 404


def test_an_order_is_cancelled_once(client: TestClient) -> None:
    order = client.post("/orders", json={"customer": "Ada", "lines": [LINE]}).json()
    assert client.post(f"/orders/{order['id']}/cancel").json()["status"] == "cancelled"
    assert client.post(f"/orders/{order['id']}/cancel").status_code == 409
'''

_GITIGNORE = """\
__pycache__/
.pytest_cache/
.ruff_cache/
.venv/
"""


def files() -> dict[str, str]:
    """The sample's files by path.

    All tests pass, ruff finds three things, and `app/pricing.py` has no test.
    """
    return {
        ".gitignore": _GITIGNORE,
        "README.md": _README,
        "app/__init__.py": '"""The order service."""\n',
        "app/main.py": _MAIN,
        "app/orders.py": _ORDERS,
        "app/pricing.py": _PRICING,
        "pyproject.toml": _PYPROJECT,
        "tests/__init__.py": "",
        "tests/test_orders.py": _TESTS,
    }
