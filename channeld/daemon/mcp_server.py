"""The one MCP server of all sessions: what the library's handlers hand on to the session that a connection is."""

from __future__ import annotations

from typing import Any, Final, Protocol

from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    METHOD_NOT_FOUND,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    NotificationParams,
    PaginatedRequestParams,
    TextContent,
    Tool,
)
from pydantic import BaseModel

from channeld import __version__
from channeld.core.permission import REQUEST_ID, Request
from channeld.daemon.tool_list import EXPERIMENTAL, INSTRUCTIONS, TOOLS, ToolResult


class Client(Protocol):
    """One connection, which the library keeps as its ``lifespan_state``."""

    async def initialized(self) -> None:
        """The client has said ``notifications/initialized``."""

    def tools_listed(self) -> None:
        """The client has asked for the tools."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], tool_use_id: str | None, request_id: str | int | None
    ) -> ToolResult:
        """Carry out a tool call; the first id is the model's, the second that of the request."""

    def permission_requested(self, request: Request) -> None:
        """Claude Code shows a permission dialog."""


async def _list_tools(context: ServerRequestContext[Client], params: PaginatedRequestParams | None) -> ListToolsResult:
    context.lifespan_context.tools_listed()
    return ListToolsResult(tools=[Tool.model_validate(tool) for tool in TOOLS])


async def _call_tool(context: ServerRequestContext[Client], params: CallToolRequestParams) -> CallToolResult:
    meta: dict[str, Any] = dict(params.meta) if params.meta else {}
    use_id = meta.get("claudecode/toolUseId")
    result = await context.lifespan_context.call_tool(
        params.name, params.arguments or {}, use_id if isinstance(use_id, str) else None, context.request_id
    )
    return CallToolResult(content=[TextContent(type="text", text=result.text)], is_error=result.is_error)


class _PermissionRequest(BaseModel):
    """Its names have underscores, other than what the library's own models read."""

    request_id: str
    tool_name: str
    description: str = ""
    input_preview: str = ""


async def _permission_requested(context: ServerRequestContext[Client], params: _PermissionRequest) -> None:
    request = Request(params.request_id, params.tool_name, params.description, params.input_preview)
    if REQUEST_ID.fullmatch(request.request_id):
        context.lifespan_context.permission_requested(request)


async def _initialized(context: ServerRequestContext[Client], params: NotificationParams) -> None:
    await context.lifespan_context.initialized()


class _RefuseDiscovery(ServerMiddleware[Client]):
    """Keep the client on the handshake protocol: a server that takes part in the newer one is no channel to it."""

    async def __call__(self, ctx: ServerRequestContext[Client, Any], call_next: CallNext) -> HandlerResult:
        if ctx.method == "server/discover":
            raise MCPError(code=METHOD_NOT_FOUND, message="Method not found")
        return await call_next(ctx)


def _make_server() -> Server[Client]:
    server: Server[Client] = Server(
        "channeld",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
    )
    server.add_notification_handler("notifications/initialized", NotificationParams, _initialized)
    server.add_notification_handler(
        "notifications/claude/channel/permission_request", _PermissionRequest, _permission_requested
    )
    server.middleware = [_RefuseDiscovery()]
    return server


SERVER: Final = _make_server()
INIT_OPTIONS: Final = SERVER.create_initialization_options(experimental_capabilities=EXPERIMENTAL)
