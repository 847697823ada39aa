// Short forms of what addon.cpp and onednn.cpp do with Node-API all the time. No checks of types: the callers are our own.
#pragma once
#include <node_api.h>
#include <cstdint>
#include <string>

inline napi_value number(napi_env env, double value) {
  napi_value out;
  napi_create_double(env, value, &out);
  return out;
}
inline void setNumber(napi_env env, napi_value object, const char* name, double value) {
  napi_set_named_property(env, object, name, number(env, value));
}
inline void setString(napi_env env, napi_value object, const char* name, const char* value) {
  napi_value v;
  napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &v);
  napi_set_named_property(env, object, name, v);
}
inline void setFunction(napi_env env, napi_value object, const char* name, napi_callback call) {
  napi_value f;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &f);
  napi_set_named_property(env, object, name, f);
}

// Null when the value is no typed array.
template <class T>
T* typedArray(napi_env env, napi_value v, size_t* length = nullptr) {
  bool is = false;
  napi_is_typedarray(env, v, &is);
  if (!is) return nullptr;
  void* data = nullptr;
  napi_get_typedarray_info(env, v, nullptr, length, &data, nullptr, nullptr);
  return static_cast<T*>(data);
}

class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) { napi_get_cb_info(env, info, &count_, values_, nullptr, nullptr); }
  napi_value operator[](size_t i) const { return values_[i]; }
  size_t count() const { return count_; }
  double number(size_t i) const {
    double d = 0;
    napi_get_value_double(env_, values_[i], &d);
    return d;
  }
  std::string string(size_t i) const {
    char text[256];
    size_t length = 0;
    if (napi_get_value_string_utf8(env_, values_[i], text, sizeof text, &length) != napi_ok) return "";
    return std::string(text, length);
  }
  template <class T>
  T* array(size_t i, size_t* length = nullptr) const {
    return typedArray<T>(env_, values_[i], length);
  }

 private:
  napi_env env_;
  napi_value values_[16] = {};
  size_t count_ = 16;
};
