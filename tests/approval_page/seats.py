"""A person's browser window: what it asks for, what it complains about, and hands at its keys."""

from __future__ import annotations

from typing import Any

SIZE: Any = {"width": 1280, "height": 720}


class Seat:
    """A person's browser window that notes what it asks for and what it complains about."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def height(self) -> int:
        return int(await self.page.evaluate("document.documentElement.scrollHeight"))

    async def focused(self) -> str:
        """The field or the button in which the cursor stands. A browser sets the first focus only after the page has loaded."""
        await self.page.wait_for_function("document.activeElement && document.activeElement != document.body")
        return str(await self.page.evaluate("document.activeElement.name || document.activeElement.textContent"))

    async def reads(self, heading: str) -> None:
        """Wait until that heading stands there: a new page may still be on its way when the old one can be asked."""
        await self.page.wait_for_function("heading => document.querySelector('h1')?.textContent == heading", arg=heading)

    async def type(self, text: str, *keys: str) -> None:
        """Type where the cursor is; keys before there is one are lost."""
        await self.focused()
        await self.page.keyboard.type(text)
        for key in keys:
            await self.page.keyboard.press(key)

    def undisturbed(self, root: str) -> bool:
        return not self.complaints and all(url.startswith(f"{root}/") for url in self.asked)


async def sit(chromium: Any, address: str, scheme: str = "light") -> Seat:
    """Open an address in a new window."""
    page = await chromium.new_page()
    await page.emulate_media(color_scheme=scheme)
    seat = Seat(page)
    await page.goto(address)
    return seat
