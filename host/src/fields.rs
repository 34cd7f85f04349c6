//! Objects of JSON that say what a host wants: no field is passed over.

use serde_json::Value;

use crate::HostError;

/// An object whose fields are known by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    /// Reads an object, which `what` names; nothing at all is one without fields.
    ///
    /// # Errors
    /// When it is something else, or has a field that is none of `names`.
    pub(crate) fn read(value: &'a Value, what: &str, names: &[&str]) -> Result<Self, HostError> {
        let object = match value {
            Value::Null => None,
            Value::Object(object) => Some(object),
            _ => return Err(HostError::usage(&format!("{what} is an object"))),
        };
        match object.and_then(|object| object.keys().find(|name| !names.contains(&name.as_str()))) {
            Some(name) => Err(HostError::usage(&format!("{what} has no field `{name}`"))),
            None => Ok(Self(value)),
        }
    }

    /// A field that says something.
    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|field| !field.is_null())
    }

    /// A text.
    pub(crate) fn text(self, name: &str) -> Result<Option<&'a str>, HostError> {
        self.of(name, "a text", Value::as_str)
    }

    /// A whole number that is not negative.
    pub(crate) fn whole(self, name: &str) -> Result<Option<u64>, HostError> {
        self.of(name, "a whole number, not negative", Value::as_u64)
    }

    /// True or false; false where nothing is said.
    pub(crate) fn flag(self, name: &str) -> Result<bool, HostError> {
        Ok(self.of(name, "true or false", Value::as_bool)?.unwrap_or_default())
    }

    /// A list; an empty one where nothing is said.
    pub(crate) fn list(self, name: &str) -> Result<&'a [Value], HostError> {
        let list = self.of(name, "a list", |field| field.as_array().map(Vec::as_slice))?;
        Ok(list.unwrap_or_default())
    }

    fn of<T>(
        self,
        name: &str,
        what: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, HostError> {
        let Some(field) = self.get(name) else { return Ok(None) };
        let found = read(field);
        found.map(Some).ok_or_else(|| HostError::usage(&format!("`{name}` is {what}")))
    }
}
