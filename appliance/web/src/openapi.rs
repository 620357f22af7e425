//! The OpenAPI 3.1 description, made from the same rows as the router.

use crate::api::{ProblemBody, VideoRoleName};
use crate::headers::{COOKIE, CSRF_HEADER};
use crate::routes::{Answer, AuditRule, Permission, Query, QueryKind, Route, Shape, table};
use axum::http::Method;
use std::collections::BTreeSet;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required,
    Schema,
};

/// Describes every route.
#[must_use]
pub fn openapi() -> OpenApi {
    let rows = table();
    let mut schemas: Vec<(String, RefOr<Schema>)> = Vec::new();
    let mut paths = Paths::new();
    (Shape::of::<ProblemBody>().collect)(&mut schemas);
    (Shape::of::<VideoRoleName>().collect)(&mut schemas);
    for row in &rows {
        if let Some(request) = row.request {
            (request.collect)(&mut schemas);
        }
        if let Answer::Json(_, shape) = row.answer {
            (shape.collect)(&mut schemas);
        }
        paths.add_path_operation(described(row.path), vec![method(row)], operation(row));
    }
    let mut components = ComponentsBuilder::new();
    let taken = names_taken(&rows);
    for (name, mut schema) in schemas {
        if !taken.contains(&name) {
            require_all(&mut schema);
        }
        components = components.schema(name, schema);
    }
    let components =
        components.security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(COOKIE))));
    let about = "The recorder's API. Times are whole milliseconds UTC. Errors are problem documents (RFC 9457). \
        Every POST, PUT, PATCH and DELETE must carry the header `X-Watchbook: 1`.";
    let info = InfoBuilder::new().title("Watchbook").version("1").description(Some(about));
    OpenApiBuilder::new().info(info.build()).paths(paths).components(Some(components.build())).build()
}

/// A path as the document has it: what the router calls the rest of a path is one parameter there.
fn described(path: &str) -> String {
    path.replace("{*", "{")
}

/// Names of the shapes that requests are made of.
fn names_taken(rows: &[Route]) -> BTreeSet<String> {
    let mut taken: Vec<(String, RefOr<Schema>)> = Vec::new();
    for request in rows.iter().filter_map(|row| row.request) {
        (request.collect)(&mut taken);
    }
    taken.into_iter().map(|(name, _)| name).collect()
}

/// An answer has all its fields, some of them null.
fn require_all(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(object)) = schema {
        object.required = object.properties.keys().cloned().collect();
    }
}

fn method(row: &Route) -> HttpMethod {
    match row.method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(row: &Route) -> OperationBuilder {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(row.id))
        .summary(Some(row.summary))
        .description(Some(format!("{} {}", who_may(row), what_is_kept(row))))
        .response(status(row).to_string(), answer(row))
        .response("default", problem());
    for part in row.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        // The rest of a path, with its slashes.
        let part = part.trim_start_matches('*');
        let kind = if matches!(part, "plugin" | "disk" | "key" | "tile") { text() } else { integer() };
        let parameter = ParameterBuilder::new().name(part).parameter_in(ParameterIn::Path).required(Required::True);
        operation = operation.parameter(parameter.schema(Some(kind)));
    }
    for query in row.query {
        operation = operation.parameter(query_parameter(*query));
    }
    if row.method != Method::GET {
        let one = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(["1"])).build();
        let header = ParameterBuilder::new()
            .name(CSRF_HEADER.as_str())
            .parameter_in(ParameterIn::Header)
            .required(Required::True);
        operation = operation.parameter(header.schema(Some(one)));
    }
    if let Some(request) = row.request {
        let body = ContentBuilder::new().schema(Some(reference(request))).build();
        let body = RequestBodyBuilder::new().required(Some(Required::True)).content(request.media, body);
        operation = operation.request_body(Some(body.build()));
    }
    if row.permission.asks() {
        operation = operation.security(SecurityRequirement::new("session", Vec::<String>::new()));
    }
    operation
}

fn who_may(row: &Route) -> String {
    match row.permission {
        Permission::Public { because } => format!("Open to anybody: {because}."),
        Permission::Asks(_) | Permission::Compares(_) | Permission::OfRequest(_) => "Asks the gate.".to_owned(),
        Permission::OfExport(_) => "Asks the gate about the export as it is then.".to_owned(),
        Permission::Mirrors => {
            "Asks the gate, also in the name of a mirror whose token stands in the header `Authorization: Bearer …`."
                .to_owned()
        }
        Permission::InCase(_) => "Asks the gate about the case as it is then.".to_owned(),
        Permission::OfSettings(_) => "Asks the gate about the settings as they are then.".to_owned(),
    }
}

fn what_is_kept(row: &Route) -> String {
    match row.audit {
        AuditRule::Nothing { because } => format!("The audit log keeps nothing: {because}."),
        AuditRule::ByHandler { because } => format!("The audit log keeps an entry each time: {because}."),
        AuditRule::EveryTime => "The audit log keeps an entry each time.".to_owned(),
        AuditRule::FirstIn { window_s, because } => {
            format!("The audit log keeps one entry in {window_s} s for the same request of a session: {because}.")
        }
    }
}

fn status(row: &Route) -> u16 {
    match row.answer {
        Answer::Json(status, _) => status,
        Answer::Empty => 204,
        Answer::Mp4(_) | Answer::Zip(_) | Answer::Jpeg(_) | Answer::EventStream => 200,
        Answer::AnyJson | Answer::Csv | Answer::Text | Answer::Bytes => 200,
        Answer::WebSocket => 101,
    }
}

fn answer(row: &Route) -> ResponseBuilder {
    let builder = ResponseBuilder::new();
    match row.answer {
        Answer::Json(_, shape) => builder
            .description("Done.")
            .content("application/json", ContentBuilder::new().schema(Some(reference(shape))).build()),
        Answer::AnyJson => builder
            .description("Done.")
            .content("application/json", ContentBuilder::new().schema(Some(ObjectBuilder::new().build())).build()),
        Answer::Empty => builder.description("Done."),
        Answer::Csv => {
            builder.description("The table.").content("text/csv", ContentBuilder::new().schema(Some(text())).build())
        }
        Answer::Text => {
            builder.description("The text.").content("text/plain", ContentBuilder::new().schema(Some(text())).build())
        }
        Answer::EventStream => builder
            .description("The events, as they come.")
            .content("text/event-stream", ContentBuilder::new().schema(Some(text())).build()),
        Answer::Bytes => builder
            .description("The bytes.")
            .content("application/octet-stream", ContentBuilder::new().schema(Some(text())).build()),
        Answer::WebSocket => builder.description("A WebSocket."),
        Answer::Mp4(headers) | Answer::Zip(headers) | Answer::Jpeg(headers) => {
            let (kind, description) = match row.answer {
                Answer::Zip(_) => ("application/zip", IN_PARTS),
                Answer::Jpeg(_) => ("image/jpeg", "The picture."),
                _ => ("video/mp4", IN_PARTS),
            };
            let file = ObjectBuilder::new()
                .schema_type(SchemaType::Type(Type::String))
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
                .build();
            let mut builder =
                builder.description(description).content(kind, ContentBuilder::new().schema(Some(file)).build());
            for name in headers {
                builder = builder.header(*name, HeaderBuilder::new().schema(Some(text())).build());
            }
            builder
        }
    }
}

const IN_PARTS: &str = "The file; 206 with a part of it when `Range` asks for one.";

fn problem() -> ResponseBuilder {
    let body = ContentBuilder::new().schema(Some(reference(Shape::of::<ProblemBody>()))).build();
    ResponseBuilder::new().description("A problem.").content("application/problem+json", body)
}

fn query_parameter(query: Query) -> ParameterBuilder {
    let schema = match query.kind {
        QueryKind::Integer => integer().into(),
        QueryKind::Text => text().into(),
        QueryKind::VideoRole => reference(Shape::of::<VideoRoleName>()),
    };
    let required = if query.required { Required::True } else { Required::False };
    let parameter = ParameterBuilder::new().name(query.name).parameter_in(ParameterIn::Query).required(required);
    parameter.description(Some(query.about)).schema(Some::<RefOr<Schema>>(schema))
}

fn reference(shape: Shape) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name((shape.name)()))
}

fn integer() -> Schema {
    let object = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer));
    Schema::Object(object.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).build())
}

fn text() -> Schema {
    Schema::Object(ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build())
}

#[cfg(test)]
mod tests;
