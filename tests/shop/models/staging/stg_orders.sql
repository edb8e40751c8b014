select * from {{ source('till', 'orders') }}
